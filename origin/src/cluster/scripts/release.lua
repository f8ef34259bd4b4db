-- Gives the lease back, if it is mine. ARGV: me.
if lease() == ARGV[1] then redis.call('DEL', KEYS[1]) end
return answer('done')
