-- Newest-wins for one row, at one instant. KEYS: the row. ARGV, six for each cell, in order:
--   field, version id, event time in µs ('' for the time of this server), kind ('v' or 'n'),
--   life ('' for ever; else when the key may go, in ms since 1970, or if the event time is left open
--   how long after it, in µs), value
-- Answer: {0, written, late, 1 if the hash is new, the time of this server ('' if nobody needed it)},
-- or {why it cannot be written}.
local key = KEYS[1]
local entries, why = entries_of(key)
if not entries then return failure(why) end
local all_event, all_version
if entries['*'] then
  all_event, all_version = parse(entries['*'])
  if not all_event then return {NOT_UNDERSTOOD} end
end

local now
local written, late, last_end_ms, for_ever = 0, 0, 0, false
local set, unset = {}, {}

local function is_late(event, version, held_event, held_version, held_kind)
  if all_event and not less(all_version, version) and is_erased(event, all_event) then return true end
  if not held_event then return false end
  if held_version ~= '0' and held_version ~= version then return less(version, held_version) end
  if held_kind == 'x' then return is_erased(event, held_event) end
  return not replaces(held_event, event)
end

-- What is true from now on is later than any erasure before it.
local function time_of_arrival(version, held_event, held_version, held_kind)
  local event = now
  if all_event and not less(all_version, version) and is_erased(event, all_event) then
    event = after(all_event)
  end
  if held_kind == 'x' and not less(version, held_version) and is_erased(event, held_event) then
    event = after(held_event)
  end
  return event
end

for i = 1, #ARGV, 6 do
  local field, version, event, kind, life = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local held_event, held_version, held_kind
  if entries[field] then
    held_event, held_version, held_kind = parse(entries[field])
    if not held_event then return {NOT_UNDERSTOOD} end
    -- Who does not know the version writes for the one that is there.
    if version == '0' then version = held_version end
  end
  local is_open = event == ''
  if is_open then
    now = now or now_us()
    event = time_of_arrival(version, held_event, held_version, held_kind)
  end
  if is_late(event, version, held_event, held_version, held_kind) then
    late = late + 1
  else
    written = written + 1
    entries[field] = event .. ':' .. version .. ':' .. kind
    set[field] = kind == 'v' and ARGV[i + 5] or nil
    unset[field] = kind == 'n' or nil
    if life == '' then
      for_ever = true
    elseif is_open then
      last_end_ms = math.max(last_end_ms, math.ceil((tonumber(event) + tonumber(life)) / 1000))
    else
      last_end_ms = math.max(last_end_ms, tonumber(life))
    end
  end
end
if written == 0 then return {0, 0, late, 0, now or ''} end

local ttl_ms = redis.call('PTTL', key)
local now_ms = tonumber(now or now_us()) / 1000
local fields_held = redis.call('HLEN', key)
local is_new = fields_held == 0 or (fields_held == 1 and redis.call('HEXISTS', key, EVENT_TIMES) == 1)

-- The first command that may be refused for want of memory: nothing has changed before it.
local pairs_to_set = {EVENT_TIMES, cjson.encode(entries)}
for field, value in pairs(set) do
  pairs_to_set[#pairs_to_set + 1] = field
  pairs_to_set[#pairs_to_set + 1] = value
end
local refused = call_in_parts('HSET', key, pairs_to_set)
if refused then return refused end
local fields_to_unset = {}
for field in pairs(unset) do fields_to_unset[#fields_to_unset + 1] = field end
call_in_parts('HDEL', key, fields_to_unset)

if ttl_ms == -1 then
  -- It was there and never expires.
elseif for_ever then
  if ttl_ms >= 0 then redis.call('PERSIST', key) end
elseif ttl_ms < 0 or last_end_ms > now_ms + ttl_ms then
  is_new = is_new and last_end_ms > now_ms
  expire_at(key, last_end_ms)
end
return {0, written, late, is_new and 1 or 0, now or ''}
