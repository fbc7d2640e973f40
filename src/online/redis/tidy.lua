-- Removes what is left of dropped versions from a row and sets when the key expires anew, if nobody
-- has written since it was looked at. KEYS: the row. ARGV:
--   __event_times as they were, number of fields as it was
--   __event_times as they shall be, '' to remove the row
--   when the key expires: ms since 1970, '' for never, '=' as it does
--   fields to remove
-- Answer: {1} done, {0} the row has changed meanwhile.
local key = KEYS[1]
local text = redis.pcall('HGET', key, EVENT_TIMES)
if type(text) == 'table' or text ~= ARGV[1] or redis.call('HLEN', key) ~= tonumber(ARGV[2]) then
  return {0}
end
if ARGV[3] == '' then
  redis.call('DEL', key)
  return {1}
end
local unset = {}
for i = 5, #ARGV do unset[#unset + 1] = ARGV[i] end
local refused = call_in_parts('HDEL', key, unset)
if refused then return refused end
if ARGV[3] ~= ARGV[1] then
  refused = redis.pcall('HSET', key, EVENT_TIMES, ARGV[3])
  if type(refused) == 'table' then return refused end
end
if ARGV[4] == '' then
  redis.call('PERSIST', key)
elseif ARGV[4] ~= '=' then
  redis.call('PEXPIREAT', key, ARGV[4])
end
return {1}
