-- Who leads, and what is the latest snapshot? ARGV: the highest epoch I have seen, epoch and seq of
-- the snapshot I hold, the head of one I have refused, the longest body I read; and perhaps head and
-- body of what I hold, for a Redis that has none.
-- It always writes: a Redis that cannot be written elects nobody, so it had better not answer.
raise_fence(whole(ARGV[1]))
if ARGV[6] and is_bare() then store(ARGV[6], ARGV[7]) end
if is_bare() then return answer('bare') end
local found = head()
local epoch, seq = snapshot_version()
local held_epoch, held_seq = whole(ARGV[2]), whole(ARGV[3])
local is_newer = epoch > held_epoch or (epoch == held_epoch and seq > held_seq)
local is_odd = epoch == 0
if found == ARGV[4] or not (is_newer or is_odd) then return answer('none') end
return answer('found', found, body(tonumber(ARGV[5])))
