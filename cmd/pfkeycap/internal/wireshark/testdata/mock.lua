-- A stand-in for Wireshark's Lua interface, as much of it as the dissector uses, to
-- run it with other versions of Lua than the installed Wireshark has. It is strict
-- where Wireshark is: ranges must lie in the buffer, fields must be registered, and
-- numbers that are given to it must be integers.
--
--   lua mock.lua pfkey.lua <MESSAGES    a line each: direction, bytes on the wire, hex
--
-- It prints each field with its value, or the octets of its range, and the texts.

local function integer(n, what)
  if type(n) ~= "number" or n ~= math.floor(n) or (math.type and math.type(n) ~= "integer") then
    error(fmt and fmt("%s is %s", what, tostring(n)) or what .. " is " .. tostring(n), 3)
  end
end

local function maker(kind)
  return function(abbr, label) return {abbr = assert(abbr), label = assert(label), kind = kind} end
end
local kinds = {__index = function(_, kind) return maker(kind) end}
ProtoField = setmetatable({}, kinds)
ProtoExpert = {new = function(abbr) return {abbr = abbr} end}
Pref = {enum = function(_, default) return default end, bool = function(_, default) return default end}
NSTime = {new = function(s, ns) integer(s, "seconds"); integer(ns, "nanoseconds"); return s end}
local constants = {__index = function(_, name) return name end}
base, frametype = setmetatable({}, constants), setmetatable({}, constants)
expert = {group = setmetatable({}, constants), severity = setmetatable({}, constants)}
wtap = {}
for i = 0, 15 do wtap["USER" .. i] = 45 + i end

local now = {} -- what Field extractors find
Field = {new = function(name) return function()
  local v = now[name]
  if v ~= nil then return {value = v} end
end end}

local protocol
function Proto(name) protocol = {name = name, prefs = {}}; return protocol end
DissectorTable = {get = function() return {get_dissector = function() end, add = function() end} end}

local out = {}
local function say(...) out[#out + 1] = string.format(...) end

local item = {}
item.__index = item
function item:set_hidden() return self end
function item:set_generated() return self end
function item:set_text(s) assert(type(s) == "string"); say("text %s", s); return self end
function item:append_text(s) assert(type(s) == "string"); say("append %s", s); return self end
function item:set_len(n) integer(n, "length"); return self end
function item:add_proto_expert_info(x, s) say("expert %s %s", assert(x.abbr), assert(s)); return self end
local function add(little)
  return function(self, what, range, value)
    if what == protocol or what.octets then return setmetatable({}, item) end -- a subtree
    assert(what.registered, "field is not registered")
    local shown = value
    if type(value) == "number" then integer(value, what.abbr); shown = string.format("%d", value) end
    if value == nil then
      shown = (little and range.octets:reverse() or range.octets):gsub(".", function(c) return string.format("%02x", c:byte()) end)
    end
    say("%s %s", what.abbr, shown)
    return setmetatable({}, item)
  end
end
item.add, item.add_le = add(false), add(true)

dofile(arg[1])
for _, f in ipairs(protocol.fields) do f.registered = true end
protocol.init()

local number = 0
for line in io.lines() do
  local dir, wire, octets = line:match("^(%S+) (%d+) (%x*)$")
  local data = octets:gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end)
  number = number + 1
  now = {["frame.packet_flags_direction"] = tonumber(dir), ["frame.encap_type"] = 45, ["frame.interface_id"] = 0, ["frame.packet_id"] = number,
    ["frame.interface_description"] = os.getenv("DESCRIPTION")}
  local tvb = setmetatable({}, {
    __index = {
      len = function() return #data end,
      reported_len = function() return math.tointeger and math.tointeger(tonumber(wire)) or tonumber(wire) end,
      raw = function(_, off, len) return data:sub(off + 1, off + len) end,
    },
    __call = function(_, off, len)
      integer(off, "offset")
      integer(len, "length")
      assert(off >= 0 and len >= 0 and off + len <= #data, "range is out of the buffer")
      return {octets = data:sub(off + 1, off + len)}
    end,
  })
  protocol.dissector(tvb, {number = number, visited = false, rel_ts = number * 0.25, cols = {}}, setmetatable({}, item))
  say("end")
end
print(table.concat(out, "\n"))
