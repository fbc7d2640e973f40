# A thin front: meson and ninja build, scripts/ do the rest. `make help` lists the targets.
.PHONY: help all demo example serve test unit crash bench fuzz install format setup clean

PREFIX ?= /usr/local
MINUTES ?= 10
ROUNDS ?= 200
SEEDS ?= $(ROUNDS)
export FEATURED_BINARY ?= build/featured

help:
	@echo 'make demo    install what is missing, build, and do the main job on real data'
	@echo 'make example a model trained, served live and held against its history (ARGS=--help)'
	@echo 'make test    everything that must hold (about a quarter of an hour on 2 cores)'
	@echo 'make serve   build and start a server on http://127.0.0.1:8000'
	@echo 'make all     build'
	@echo 'make unit    the unit tests alone'
	@echo 'make crash   end the server ROUNDS=200 times, and lose power from SEEDS=ROUNDS for each policy'
	@echo 'make bench   measure beside the peers, and write docs/performance.md (ROWS=1,5 for some rows)'
	@echo 'make fuzz    fuzz each parser for MINUTES=10'
	@echo 'make install binary, man page and bash completion under PREFIX=/usr/local'
	@echo 'make format  clang-format over the sources'

all:
	@scripts/setup build
	@[ -e build/build.ninja ] || meson setup build
	@ninja -C build

demo:
	@scripts/setup build
	@[ -e build/build.ninja ] || meson setup build
	@ninja -C build featured
	@scripts/demo

example:
	@scripts/setup build example
	@[ -e build/build.ninja ] || meson setup build
	@ninja -C build featured
	@scripts/example $(ARGS)

serve: all
	build/featured serve

test:
	@scripts/setup build test example
	@scripts/test

unit: all
	meson test -C build --no-rebuild --print-errorlogs

crash: all
	build/tests/unit/online/test_power_loss --seeds $(SEEDS)
	@tests/crash/crash.py --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED)) --keep

bench: all
	@scripts/setup bench
	@bench/run $(if $(ROWS),--rows $(ROWS)) $(if $(ROWS)$(BENCH_SCALE),,--publish)

fuzz:
	@scripts/setup build test
	@scripts/fuzz --minutes $(MINUTES)

install: all
	meson configure build --prefix $(PREFIX)
	meson install -C build

format:
	clang-format -i $$(git ls-files 'src/*.[ch]' 'tests/*.[ch]' 'bench/*.[ch]')

setup:
	@scripts/setup build test bench

clean:
	rm -rf build
