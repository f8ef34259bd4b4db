-- Takes the lease if nobody else has it; one of an epoch that I know to be over counts as none.
-- ARGV: me, how long in ms, the highest epoch I have seen. The epoch granted is higher than every
-- one that anybody here can know of.
local me, ttl_ms, seen = ARGV[1], ARGV[2], whole(ARGV[3])
local owner, lease_epoch = lease()
if owner ~= '' and owner ~= me and lease_epoch >= seen then return answer('held') end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local epoch = math.max(now_ms, fence() + 1, seen + 1)
raise_fence(epoch)
redis.call('SET', KEYS[1], me .. ' ' .. digits(epoch), 'PX', ttl_ms)
return answer('granted')
