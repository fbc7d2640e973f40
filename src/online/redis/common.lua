-- What the scripts share: stands before each of them (scripts/embed-lua). The layout is on the page
-- spec/redis-layout.md; tests/vectors/cell_rule.json holds these rules, as model/cell_rule.c, to one table.
local EVENT_TIMES = '__event_times'
local NOT_UNDERSTOOD, ANOTHER_TYPE = -1, -2

-- a < b. Event times and version ids have 64 bits and Lua's numbers 53: they stay decimal texts,
-- without leading zeros.
local function less(a, b)
  local a_is_negative, b_is_negative = a:byte(1) == 45, b:byte(1) == 45
  if a_is_negative ~= b_is_negative then return a_is_negative end
  if a_is_negative then a, b = b, a end
  if #a ~= #b then return #a < #b end
  return a < b
end

local function larger(a, b)
  if less(a, b) then return b end
  return a
end

-- A newly arrived value against the one held, and against an erasure: model/cell_rule.c.
local function replaces(held_event, new_event) return not less(new_event, held_event) end
local function is_erased(event, erased) return not less(erased, event) end

local function is_decimal(text, least, most)
  if text ~= '0' and not text:find('^%-?[1-9]%d*$') then return false end
  return not less(text, least) and not less(most, text)
end

-- "EVENT_US:VERSION_ID:KIND", of the years 1 to 9999; nil if it is none.
local function parse(entry)
  local event, version, kind = entry:match('^(%-?%d+):(%d+):([vnx])$')
  if not event or not is_decimal(event, '-62135596800000000', '253402300799999999') or
    not is_decimal(version, '0', '18446744073709551615') then
    return nil
  end
  return event, version, kind
end

-- The entries of a row by name; or nil and why not.
local function entries_of(key)
  local text = redis.pcall('HGET', key, EVENT_TIMES)
  if type(text) == 'table' then
    if text.err:find('WRONGTYPE', 1, true) then return nil, ANOTHER_TYPE end
    return nil, text
  end
  if not text then return {} end
  local is_json, entries = pcall(cjson.decode, text)
  if not is_json or type(entries) ~= 'table' or not text:find('^%s*{') then
    return nil, NOT_UNDERSTOOD
  end
  for name, entry in pairs(entries) do
    if type(name) ~= 'string' or type(entry) ~= 'string' then return nil, NOT_UNDERSTOOD end
  end
  return entries
end

local function failure(why)
  if type(why) == 'table' then return why end
  return {why}
end

local function now_us()
  local time = redis.call('TIME')
  return time[1] .. string.format('%06d', tonumber(time[2]))
end

-- One more. What Redis' clock gave fits Lua's numbers until the year 2255.
local function after(event) return string.format('%.0f', tonumber(event) + 1) end

-- Runs a command with many arguments, some at a time: Lua's stack has an end. The even number keeps
-- a field and its value together.
local function call_in_parts(command, key, arguments)
  for first = 1, #arguments, 2000 do
    local last = math.min(first + 1999, #arguments)
    local reply = redis.pcall(command, key, unpack(arguments, first, last))
    if type(reply) == 'table' and reply.err then return reply end
  end
end

local function expire_at(key, end_ms) redis.call('PEXPIREAT', key, string.format('%.0f', end_ms)) end
