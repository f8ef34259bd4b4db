-- Who leads, and what is the latest snapshot? ARGV: the highest epoch I have seen, epoch and seq of
-- the snapshot I hold, the head of one I have refused, the longest body I read; and perhaps head and
-- body of what I hold, for a Redis that has nothing there, or a lower version. What is none of ours stays until
-- somebody leads.
-- It always writes: a Redis that cannot be written elects nobody, so it had better not answer.
raise_fence(whole(ARGV[1]))
local held_epoch, held_seq = whole(ARGV[2]), whole(ARGV[3])

local function is_older()
  local epoch, seq = snapshot_version()
  return epoch > 0 and (epoch < held_epoch or (epoch == held_epoch and seq < held_seq))
end

if ARGV[6] and (is_bare() or is_older()) then store(ARGV[6], ARGV[7]) end
if is_bare() then return answer('bare') end
if is_older() then return answer('older') end
local epoch, seq = snapshot_version()
local found = head()
local is_same = epoch > 0 and epoch == held_epoch and seq == held_seq
if found == ARGV[4] or is_same then return answer('none') end
return answer('found', found, body(tonumber(ARGV[5])))
