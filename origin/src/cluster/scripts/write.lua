-- Extends the lease and stores the snapshot, if the lease is mine and nothing here is later.
-- ARGV: me, my epoch, how long in ms, and perhaps head, body and seq of a snapshot of this epoch.
local me, epoch, ttl_ms = ARGV[1], whole(ARGV[2]), ARGV[3]
local owner, lease_epoch = lease()
if owner == '' then return answer('absent') end
if owner ~= me then return answer('foreign') end
if lease_epoch ~= epoch or fence() > epoch then return answer('fenced') end
if ARGV[4] then
  local stored_epoch, stored_seq = snapshot_version()
  -- Either this call was overtaken by a later one, and nobody waits for its answer; or the stored
  -- one is none of mine, and it takes a higher epoch to replace it.
  if stored_epoch == epoch and stored_seq > whole(ARGV[6]) then return answer('fenced') end
  store(ARGV[4], ARGV[5])
end
raise_fence(epoch)
redis.call('PEXPIRE', KEYS[1], ttl_ms)
return answer('done')
