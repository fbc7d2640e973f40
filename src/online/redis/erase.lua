-- Removes the values of one row with event time up to this server's time; they do not return. KEYS:
-- the row. ARGV:
--   the largest version id that the erasure of the whole id covers; '' for only the versions listed
--   how long the mark of it matters: µs, '' for ever, '-' not at all
--   three for each version listed: field, version id, how long its mark matters
-- Answer: {0, 1 if the hash holds nothing any more, time of the erasure in µs,
--          then four for each value removed: field, event time, version id, kind ('v', 'n', or 'o':
--          written by others, without event time)},
-- or {why it cannot be erased}.
local key, all_version, all_life = KEYS[1], ARGV[1], ARGV[2]
local is_whole = all_version ~= ''
local entries, why = entries_of(key)
if not entries then
  -- Where nobody knows what is whose, erasing everything still is right.
  if not is_whole or why ~= NOT_UNDERSTOOD then return failure(why) end
  entries = {}
end
local ttl_ms = redis.call('PTTL', key)
local now = now_us()
local removed, unset, is_named = {0, 0, now}, {}, {}
local mark_end_ms, mark_for_ever = 0, false

local function remove(field, event, version, kind)
  unset[#unset + 1] = field
  for _, part in ipairs({field, event, version, kind}) do removed[#removed + 1] = part end
end

local function mark(name, event, version, life)
  entries[name] = event .. ':' .. version .. ':x'
  if life == '' then
    mark_for_ever = true
  else
    mark_end_ms = math.max(mark_end_ms, math.ceil((tonumber(event) + tonumber(life)) / 1000))
  end
end

-- A field is ours only with an entry that says so.
local function is_of_others(field) return not entries[field] or entries[field]:sub(-2) == ':x' end

local function erase_whole()
  local erased = now
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if field ~= EVENT_TIMES and is_of_others(field) then remove(field, '', '0', 'o') end
  end
  for name, entry in pairs(entries) do
    local event, version, kind = parse(entry)
    if name == '*' then
      if event then erased, all_version = larger(erased, event), larger(all_version, version) end
    elseif not event then
      remove(name, '', '0', 'o')
    elseif is_erased(event, now) and kind ~= 'x' then
      remove(name, event, version, kind)
    end
  end
  for name, entry in pairs(entries) do
    local event, version, kind = parse(entry)
    if not event or (is_erased(event, now) and (kind ~= 'x' or not less(all_version, version))) then
      entries[name] = nil
    end
  end
  if all_life ~= '-' then mark('*', erased, all_version, all_life) end
end

local function erase_version(field, version, life)
  local event, held_version, kind
  if is_named[field] then return true end
  is_named[field] = true
  if entries[field] then
    event, held_version, kind = parse(entries[field])
    if not event then return false end
    if held_version ~= '0' and less(version, held_version) then return true end -- ours is gone
    local is_ours = held_version == '0' or held_version == version
    if is_ours and not is_erased(event, now) then return true end -- newer: keeps the older out itself
    if kind ~= 'x' then remove(field, event, held_version, kind) end
  end
  if is_of_others(field) and redis.call('HEXISTS', key, field) == 1 then
    remove(field, '', '0', 'o')
  end
  mark(field, now, version, life)
  return true
end

if is_whole then erase_whole() end
for i = 3, #ARGV, 3 do
  if not erase_version(ARGV[i], ARGV[i + 1], ARGV[i + 2]) then return {NOT_UNDERSTOOD} end
end

-- Removing comes first: it is allowed when memory has run out, and what a script has begun it may end.
unset[#unset + 1] = EVENT_TIMES
local refused = call_in_parts('HDEL', key, unset)
if refused then return refused end
local fields_left = redis.call('HLEN', key)
local marks_only = fields_left == 0
for name, entry in pairs(entries) do
  if name ~= '*' and entry:sub(-2) ~= ':x' then marks_only = false end
end
if marks_only then removed[2] = 1 end
if next(entries) == nil then return removed end
redis.call('HSET', key, EVENT_TIMES, cjson.encode(entries))

-- Never sooner than before, unless nothing but this mark is left. The key may be a new one by now.
local other_marks = false
for name in pairs(entries) do
  if name ~= '*' or not is_whole then other_marks = true end
end
local stays = ttl_ms == -1 and (other_marks or not marks_only)
if stays or mark_for_ever then
  redis.call('PERSIST', key)
else
  local is_held = ttl_ms >= 0 and (other_marks or mark_end_ms == 0)
  local held_end_ms = is_held and tonumber(now) / 1000 + ttl_ms or 0
  expire_at(key, math.max(held_end_ms, mark_end_ms))
end
return removed
