-- Closures, string matching, coroutines, metatables, errors and the collector, with a digest of all of it.
local seed = tonumber((...)) or 1
local digest = 5381
local function feed(text)
  for i = 1, #text do digest = (digest * 33 + text:byte(i)) % 4294967296 end
end
local function say(...)
  local line = table.concat({...}, " ")
  print(line)
  feed(line)
end

local function counter(step)
  local n = 0
  return function() n = n + step return n end, function() return n end
end
local up, value = counter(seed)
for _ = 1, 10 do up() end
say("closure", value())

local words = {}
for word, number in ("alpha=1, beta=22; gamma=333"):gmatch("(%a+)=(%d+)") do words[#words + 1] = word .. ":" .. #number end
say("match", table.concat(words, ","), (("x1y22z"):gsub("%d+", function(d) return "<" .. d * 2 .. ">" end)))
say("format", string.format("%5.2f|%-6s|%x|%q", math.pi, "ab", 48879, "line\n"))

local function walk(tree)
  if tree then walk(tree[1]) coroutine.yield(tree[2]) walk(tree[3]) end
end
local out = {}
for v in coroutine.wrap(function() walk({{{nil, 1}, 2, {nil, 3}}, 4, {nil, 5}}) end) do out[#out + 1] = v end
say("coroutine", table.concat(out, " "))

local point = setmetatable({x = 3, y = 4}, {
  __add = function(a, b) return a.x + b.x end, __len = function(p) return p.x * p.y end,
  __index = function(_, key) return key .. "?" end, __close = function() say("closed") end,
})
do local held <close> = point say("meta", point + point, #point, point.absent) end

say("error", tostring(select(2, pcall(error, "boom", 0))), select("#", pcall(error)))
say("trace", debug.traceback("at", 1):match("^at\nstack traceback:") and "yes" or "no")

local sieve, primes = {}, 0
for i = 2, 20000 do
  if not sieve[i] then
    primes = primes + 1
    for j = i * i, 20000, i do sieve[j] = true end
  end
end
say("primes", primes)

local weak = setmetatable({}, {__mode = "k"})
for i = 1, 1000 do weak[{}] = i end
collectgarbage()
say("weak", next(weak) == nil and "empty" or "kept")
table.sort(words, function(a, b) return a > b end)
say("sort", table.concat(words, ","))
say("chunk", load("local a, b = ... return a // b, a % b, a << b")(17, 5))
print(string.format("digest %08x", digest))
return 7
