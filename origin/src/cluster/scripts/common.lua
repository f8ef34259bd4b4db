-- Put before each script. KEYS: lease, fence, snapshot. What is not ours (another type, no whole
-- number, a lease without an end) counts as not being there.
local EPOCH_MAX = 9006099743113216

local function text(key)
  if redis.call('TYPE', key).ok ~= 'string' then return '' end
  return redis.call('GET', key)
end

local function whole(digits)
  local number = string.find(digits or '', '^%d+$') and tonumber(digits)
  return number and number <= EPOCH_MAX and number or 0
end

local function digits(number)
  return string.format('%.0f', number)
end

local function lease()
  local owner, epoch = string.match(text(KEYS[1]), '^(%x+) (%d+)$')
  if owner == nil or redis.call('PTTL', KEYS[1]) <= 0 then return '', 0 end
  return owner, whole(epoch)
end

local HEAD_LEN_MAX = 256

local function is_bare()
  return redis.call('EXISTS', KEYS[3]) == 0
end

-- Of every schema it begins: schema epoch seq.
local function head()
  if redis.call('TYPE', KEYS[3]).ok ~= 'hash' then return '' end
  if redis.call('HSTRLEN', KEYS[3], 'head') > HEAD_LEN_MAX then return '' end
  return redis.call('HGET', KEYS[3], 'head') or ''
end

local function body(len_max)
  if redis.call('TYPE', KEYS[3]).ok ~= 'hash' then return '' end
  if redis.call('HSTRLEN', KEYS[3], 'body') > len_max then return '' end
  return redis.call('HGET', KEYS[3], 'body') or ''
end

local function store(head, body)
  redis.call('DEL', KEYS[3]) -- whatever it is
  redis.call('HSET', KEYS[3], 'head', head, 'body', body)
end

local function snapshot_version()
  local epoch, seq = string.match(head(), '^%d+ (%d+) (%d+)')
  return whole(epoch), whole(seq)
end

-- The highest epoch known here.
local function fence()
  return math.max(whole(text(KEYS[2])), (snapshot_version()))
end

local function raise_fence(epoch)
  redis.call('SET', KEYS[2], digits(math.max(fence(), epoch)))
end

local function answer(verdict, ...)
  local time = redis.call('TIME')
  local owner, epoch = lease()
  return {verdict, time[1], time[2], owner, digits(epoch), digits(fence()), ...}
end
