-- Asks with the tag of the last answer that had a body, as a client that polls does.

response = function(status, headers)
  if status ~= 200 then return end
  for name, value in pairs(headers) do
    if name:lower() == "etag" then wrk.headers["If-None-Match"] = value end
  end
end

request = function() return wrk.format() end
