-- What follows goes by the tables above. It runs with Lua 5.2 (Wireshark before 4.4)
-- and 5.4: numbers are divided with math.floor, bits are not used, and numbers of 64
-- bits are left to Wireshark.

local floor, byte, sub, fmt, concat = math.floor, string.byte, string.sub, string.format, table.concat

local pfkey = Proto("pfkey", "PF_KEY Version 2 (RFC 2367)")

---------------------------------------------------------------------------
-- Preferences

local dialect_choice = {{1, "auto", 0}}
for i, name in ipairs(T.order) do
  dialect_choice[i + 1] = {i + 1, name, i}
end
pfkey.prefs.dialect = Pref.enum("Dialect", 0,
  "Whose numbers and layouts the messages have. auto: what the capture says, else what the bytes look like", dialect_choice, false)
pfkey.prefs.order = Pref.enum("Byte order", 0,
  "auto: the order in which the length of a message is right, else what the capture says",
  {{1, "auto", 0}, {2, "little", 1}, {3, "big", 2}}, false)
pfkey.prefs.show_keys = Pref.bool("Show key octets", false,
  "Show the octets of keys and of everything that may hold some. They are in the packet bytes in any case")

---------------------------------------------------------------------------
-- Fields

local acronyms = {sa = "SA", spi = "SPI", id = "ID", reqid = "Request ID", dpd = "DPD", iv = "IV", doi = "DOI", natt = "NAT-T", pid = "PID",
  ivlen = "IV length", prefixlen = "Prefix length", minbits = "Min. bits", maxbits = "Max. bits", addtime = "Add time", usetime = "Use time",
  exttype = "Extension type", len = "Length", satype = "SA type", satypes = "SA types", seq = "Sequence number", mtu = "MTU", addr = "Address", sockaddr = "Address octets",
  proto = "Protocol", dir = "Direction", auth = "Authentication", encrypt = "Encryption", ctx = "Context", udp = "UDP", kmp = "KMP", order = "Byte order", algs = "Algorithms"}

local function label_of(path)
  local last = path:match("[^.]+$")
  local words = {}
  for w in last:gmatch("[^_]+") do
    local a = acronyms[w]
    words[#words + 1] = a and (#words == 0 and a or a:gsub("^%u%l", string.lower)) or w
  end
  local text = concat(words, " ")
  return (text:gsub("^%l", string.upper))
end

local types = {[1] = ProtoField.uint8, [2] = ProtoField.uint16, [4] = ProtoField.uint32, [8] = ProtoField.uint64}

-- entries are by path: f the field, kind, named the fields with a table of names by
-- the number of that.
local entries = {}
local fields = {}

local function register(f)
  fields[#fields + 1] = f
  return f
end

-- common gives the names that mean one number wherever they occur, so that a
-- display filter may name them.
local function common(tables)
  local number_of, names = {}, {}
  for _, t in ipairs(tables) do
    for n, name in pairs(T.values[t]) do
      if number_of[name] == nil then
        number_of[name] = n
      elseif number_of[name] ~= n then
        number_of[name] = false
      end
    end
  end
  for _, t in ipairs(tables) do
    for n, name in pairs(T.values[t]) do
      if number_of[name] == n and names[n] == nil then
        names[n] = name
      end
    end
  end
  return names
end

for _, p in ipairs(T.paths) do
  local path, kind, size, meaning, tables, doc = p[1], p[2], p[3], p[4], p[5], p[6]
  local abbr, label = "pfkey." .. path, label_of(path)
  local e = {kind = kind, path = path, label = label, meaning = meaning}
  if path == "reply_to" then
    e.f = ProtoField.framenum(abbr, "Reply to", base.NONE, frametype.REQUEST, nil, doc)
  elseif path == "twin_of" then
    e.f = ProtoField.framenum(abbr, "Second copy of", base.NONE, frametype.NONE, nil, doc)
  elseif kind == "number" then
    local new = types[size] or ProtoField.uint32
    if meaning == "spi" or meaning == "flags" then
      e.f = new(abbr, label, base.HEX, nil, nil, doc)
    elseif #tables > 0 then
      -- The one of the common names comes first: filters look at its names.
      e.f = register(new(abbr, label, base.DEC, common(tables), nil, doc))
      e.named = {}
      for _, t in ipairs(tables) do
        e.named[t] = register(new(abbr, label, base.DEC, T.values[t], nil, doc))
      end
    else
      e.f = new(abbr, label, base.DEC, nil, nil, doc)
    end
  elseif kind == "secret" then
    e.f = ProtoField.bytes(abbr, label, base.NONE, doc)
  elseif kind == "octets" and (path:find("%.id$") or path:find("%.key_id$")) then
    e.f = ProtoField.string(abbr, label, base.UNICODE, doc)
  elseif kind == "octets" then
    e.f = ProtoField.bytes(abbr, label, base.NONE, doc)
  elseif kind == "group" then
    e.f = ProtoField.none(abbr, label, doc)
  else -- text, and addresses, which may be of either family
    e.f = ProtoField.string(abbr, label, base.UNICODE, doc)
  end
  if not e.named then register(e.f) end
  entries[path] = e
end

local f_ipv4 = register(ProtoField.ipv4("pfkey.ipv4", "IPv4 address", "Any IPv4 address in the message"))
local f_ipv6 = register(ProtoField.ipv6("pfkey.ipv6", "IPv6 address", "Any IPv6 address in the message"))
local f_replied = register(ProtoField.framenum("pfkey.reply_in", "Reply in", base.NONE, frametype.RESPONSE, nil, "a message that answers this one"))
local f_latency = register(ProtoField.relative_time("pfkey.reply_time", "Time since the request", "from the request to this answer"))
local f_from = register(ProtoField.string("pfkey.dialect_from", "Dialect known by", base.UNICODE, "why the message is read as of this dialect"))
local f_order_from = register(ProtoField.string("pfkey.order_from", "Byte order known by", base.UNICODE, "why the message is read in this byte order"))
pfkey.fields = fields

local x_errno = ProtoExpert.new("pfkey.expert.errno", "The kernel refused", expert.group.RESPONSE_CODE, expert.severity.WARN)
local x_write = ProtoExpert.new("pfkey.expert.write_errno", "write(2) of the request failed", expert.group.RESPONSE_CODE, expert.severity.WARN)
local x_clear = ProtoExpert.new("pfkey.expert.key_in_clear", "Secret octets in clear", expert.group.SECURITY, expert.severity.WARN)
local x_malformed = ProtoExpert.new("pfkey.expert.malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR)
local x_length = ProtoExpert.new("pfkey.expert.message_length", "Wrong message length", expert.group.MALFORMED, expert.severity.WARN)
local x_short = ProtoExpert.new("pfkey.expert.extension_too_short", "Extension too short", expert.group.MALFORMED, expert.severity.WARN)
local x_unknown = ProtoExpert.new("pfkey.expert.unknown_extension", "Unknown extension", expert.group.UNDECODED, expert.severity.NOTE)
local x_cut = ProtoExpert.new("pfkey.expert.truncated", "Cut short in the capture", expert.group.UNDECODED, expert.severity.NOTE)
local x_dialect = ProtoExpert.new("pfkey.expert.dialect", "Dialect not certain", expert.group.ASSUMPTION, expert.severity.NOTE)
local x_order = ProtoExpert.new("pfkey.expert.order", "Byte order contradicts the capture", expert.group.ASSUMPTION, expert.severity.NOTE)
pfkey.experts = {x_errno, x_write, x_clear, x_malformed, x_length, x_short, x_unknown, x_cut, x_dialect, x_order}

local description_of = Field.new("frame.interface_description")
local interface_of = Field.new("frame.interface_id")
local flags_of = Field.new("frame.packet_flags_direction")
local comments_of = Field.new("frame.comment")
local packetid_of = Field.new("frame.packet_id")

---------------------------------------------------------------------------
-- Reading. Offsets count from 0, and readers are called only for octets that are
-- there.

local function u16(s, i, big)
  local a, b = byte(s, i + 1, i + 2)
  if big then return a * 256 + b end
  return b * 256 + a
end

local function u32(s, i, big)
  local a, b, c, d = byte(s, i + 1, i + 4)
  if big then return ((a * 256 + b) * 256 + c) * 256 + d end
  return ((d * 256 + c) * 256 + b) * 256 + a
end

local function load(s, i, size, big) -- of at most 4 octets
  if size == 1 then return byte(s, i + 1) end
  if size == 2 then return u16(s, i, big) end
  return u32(s, i, big)
end

local function zero(s, from, to)
  return sub(s, from + 1, to):find("[^\0]") == nil
end

local function hex(s, from, to)
  return (sub(s, from + 1, to):gsub(".", function(c) return fmt("%02x", byte(c)) end))
end

local function round8(n) return floor((n + 7) / 8) * 8 end

-- is_text: UTF-8 (no surrogates, nothing longer than need be) without NUL.
local function is_text(s)
  local i, n = 1, #s
  while i <= n do
    local a, b = byte(s, i, i + 1)
    local more
    if a == 0 then return false
    elseif a < 0x80 then more = 0
    elseif a < 0xc2 then return false
    elseif a < 0xe0 then more = 1
    elseif a < 0xf0 then
      more = 2
      if a == 0xe0 and (b or 0) < 0xa0 or a == 0xed and (b or 0) > 0x9f then return false end
    elseif a < 0xf5 then
      more = 3
      if a == 0xf0 and (b or 0) < 0x90 or a == 0xf4 and (b or 0) > 0x8f then return false end
    else return false end
    for k = 1, more do
      local c = byte(s, i + k)
      if not c or c < 0x80 or c > 0xbf then return false end
    end
    i = i + 1 + more
  end
  return true
end

local function ipv4(s, i)
  return fmt("%d.%d.%d.%d", byte(s, i + 1, i + 4))
end

-- ipv6 writes an address as RFC 5952 says.
local function ipv6(s, i)
  if zero(s, i, i + 10) and u16(s, i + 10, true) == 0xffff then
    return "::ffff:" .. ipv4(s, i + 12)
  end
  local g, best, len = {}, nil, 1
  for k = 0, 7 do g[k] = u16(s, i + 2 * k, true) end
  local k = 0
  while k < 8 do
    local n = 0
    while k + n < 8 and g[k + n] == 0 do n = n + 1 end
    if n > len then best, len = k, n end
    k = k + math.max(n, 1)
  end
  local out = {}
  k = 0
  while k < 8 do
    if k == best then
      out[#out + 1] = "::"
      k = k + len
    else
      if #out > 0 and out[#out] ~= "::" then out[#out + 1] = ":" end
      out[#out + 1] = fmt("%x", g[k])
      k = k + 1
    end
  end
  return concat(out)
end

local function duration(n)
  local out = ""
  local shown = 0
  for _, u in ipairs({{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}}) do
    local q = floor(n / u[1])
    if q > 0 then
      out = out .. fmt("%d%s", q, u[2])
      n = n - q * u[1]
      shown = shown + 1
    elseif shown == 1 then
      break
    end
    if shown == 2 then break end
  end
  return out
end

---------------------------------------------------------------------------
-- One message. c is its context: tvb, s (its octets), n (how many), big, d (the
-- dialect), and what is gathered for the Info column.

local function range(c, off, len)
  return c.tvb(off, len)
end

local function add(c, g, e, off, len, big)
  if big then return g.item:add(e, range(c, off, len)) end
  return g.item:add_le(e, range(c, off, len))
end

-- note adds a field that the message does not have, but something that is known of
-- one: it is for filters and exports, and not shown.
local function note(c, g, path, off, len, value)
  local e = entries[path]
  if not e then return end
  local item = g.item:add(e.f, range(c, off, len), value)
  item:set_generated()
  item:set_hidden()
  return item
end

local aliases = {["msg.type"] = "type", ["msg.satype"] = "satype", ["msg.errno"] = "errno", ["msg.seq"] = "seq", ["msg.pid"] = "pid",
  ["sa.spi"] = "spi", ["address_src.addr"] = "src", ["address_dst.addr"] = "dst"}

local function alias(c, g, path, off, len, value, big)
  local a = aliases[path]
  if not a then return end
  local item
  if value then
    item = g.item:add(entries[a].f, range(c, off, len), value)
  else
    item = add(c, g, entries[a].f, off, len, big)
  end
  item:set_hidden()
end

-- number adds a number and its names. It returns the number, if it has no more than
-- 32 bits, and its name.
local function number(c, g, name, off, size, big, meaning, enum)
  local path = name and g.path .. "." .. name or g.path
  local e = entries[path]
  local value = size <= 4 and load(c.s, off, size, big) or nil
  if meaning == "reserved" and zero(c.s, off, off + size) then return value end
  if not e then return value end
  local t = enum and enum > 0 and c.d.enum[enum] or nil
  local text = t and value and T.values[t][value] or nil
  local f = e.f
  if text and e.named and e.named[t] then f = e.named[t] end
  local item = add(c, g, f, off, size, big)
  if e.named and not text then
    item:set_text(fmt("%s: %d", e.label, value or 0))
  end
  alias(c, g, path, off, size, nil, big)
  if text then
    note(c, g, path .. (name and "_name" or "_names"), off, size, text)
  elseif not name and enum then
    note(c, g, path .. "_names", off, size, "")
  end
  if meaning == "flags" then
    local left, names = value, {}
    local all = T.flags[c.d.flags[enum] or 0] or {}
    for _, flag in ipairs(all) do
      if floor(value / flag[1]) % 2 == 1 then
        names[#names + 1] = flag[2]
        left = left - flag[1]
      end
    end
    if left > 0 then names[#names + 1] = fmt("0x%x", left) end
    for _, n in ipairs(names) do note(c, g, path .. "_names", off, size, n) end
    if #names > 0 then item:append_text(" (" .. concat(names, ", ") .. ")") end
  elseif meaning == "ipproto" then
    local p = T.protocols[value]
    if p and value > 0 then item:append_text(" (" .. p .. ")") end
  elseif meaning == "words" then
    item:append_text(fmt(" (%d bytes)", value * 8))
  elseif meaning == "bits" then
    item:append_text(" bits")
  elseif meaning == "octets" then
    item:append_text(" bytes")
  elseif meaning == "seconds" and not zero(c.s, off, off + size) then
    local v = value
    if not v then
      local hi, lo = u32(c.s, off, big), u32(c.s, off + 4, big)
      if not big then hi, lo = lo, hi end
      v = hi * 4294967296.0 + lo -- not an integer, which may overflow
    end
    if v >= 500000000 and v < 32503680000 then -- a moment from 1985 to 3000
      item:append_text(os.date("! (%Y-%m-%d %H:%M:%S UTC)", v))
    elseif v < 500000000 then
      item:append_text(" s" .. (v >= 60 and " (" .. duration(v) .. ")" or ""))
    else
      item:append_text(" s")
    end
  end
  return value, text
end

local function octets(c, g, name, from, to)
  local e = entries[g.path .. "." .. name]
  if e then g.item:add(e.f, range(c, from, to - from)) end
end

local function text(c, g, name, from, to, len)
  local e = entries[g.path .. "." .. name]
  local value = sub(c.s, from + 1, to)
  if e then g.item:add(e.f, range(c, from, len or to - from), value) end
  return value
end

-- secret adds what may hold a key, without its octets unless they are asked for.
-- key is how many of them are a key.
local function secret(c, g, name, from, to, key, clear)
  local path = g.path .. "." .. name
  local e = entries[path]
  if not e then return end
  local show = pfkey.prefs.show_keys
  local item = g.item:add(e.f, range(c, from, show and to - from or 0))
  local id = c.standins and (hex(c.s, from, math.min(from + 4, to)) .. "00000000"):sub(1, 8) or nil
  if not show then
    item:set_text(fmt("%s: ·· (%d bytes%s)", e.label, to - from, id and ", id " .. id or ""))
  elseif c.standins then
    item:append_text(" (a stand-in)")
  end
  if key > 0 then
    if id then note(c, g, g.path .. ".key_id", from, 0, id) end
  else
    local inside = {item = item, path = path}
    note(c, inside, path .. ".bytes", from, 0, to - from)
    if id then note(c, inside, path .. ".id", from, 0, id) end
  end
  if not c.standins then
    c.hide = not show
    if not g.first or from < g.first then g.first = from end
    if clear then
      item:add_proto_expert_info(x_clear, fmt("%d secret octets %s", to - from, c.keys == "inside"
        and "in clear: the capture was made with --keys inside" or "which the capture does not say are stand-ins"))
    end
  end
end

local function open(c, g, path, off, len, label)
  local e = entries[path]
  local item
  if e then
    item = g.item:add(e.f, range(c, off, len))
  else
    item = g.item:add(range(c, off, len))
  end
  if label then item:set_text(label) end
  return {item = item, path = path, parent = g}
end

-- up tells the groups around one that something in it is secret.
local function up(g)
  local p = g.parent
  if p and g.first and (not p.first or g.first < p.first) then p.first = g.first end
end

-- resolve finds the table of names of a field that depends on what is around it.
local function resolve(c, x, enum, off)
  local E = T.enum
  if enum == E.encrypt then
    if c.ipcomp then return E.comp end
  elseif enum == E.algid or enum == E.credfield then
    return x.choice or (enum == E.algid and E.encrypt or 0)
  elseif enum == E.protofield then
    return x.choice or 0
  elseif enum == E.descalg then
    return ({E.auth, E.encrypt, E.comp})[byte(c.s, off + 2)] or 0 -- by sadb_x_algdesc_algtype
  end
  return enum
end

local members

local function member(c, g, x, f, base)
  local name, off, size, order, meaning, enum = f[1], base + f[2], f[3], f[4], f[5], f[6]
  if order ~= "octets" then
    return number(c, g, name, off, size, c.big or order == "net", meaning, resolve(c, x, enum, base))
  end
  if meaning == "embedded" then -- a CURRENT lifetime with a header of its own
    local o = open(c, g, g.path .. "." .. name, off, size, "Current lifetime")
    number(c, o, "len", off, 2, c.big, "words")
    number(c, o, "exttype", off + 2, 2, c.big, "number")
    members(c, o, x, T.shapes["sadb_lifetime"], off)
  elseif meaning == "name" then
    local s = sub(c.s, off + 1, off + size)
    local z = s:find("\0", 1, true)
    if z and zero(s, z, #s) and is_text(s:sub(1, z - 1)) then
      text(c, g, name, off, off + z - 1, size)
    else
      octets(c, g, name .. "_hex", off, off + size)
    end
  elseif meaning ~= "reserved" or not zero(c.s, off, off + size) then
    octets(c, g, name, off, off + size)
  end
end

members = function(c, g, x, shape, base, count)
  local values = {}
  for i = 1, count or #shape.fields do
    local f = shape.fields[i]
    local v, name = member(c, g, x, f, base)
    values[f[1]] = name or v
  end
  return values
end

---------------------------------------------------------------------------
-- Socket addresses

local function family(c, g, off)
  local d = c.d
  local v = d.sa_len and byte(c.s, off + 2) or u16(c.s, off, c.big)
  local name = v == d.inet and "inet" or v == d.inet6 and "inet6" or nil
  local at, size = off, 2
  if d.sa_len then at, size = off + 1, 1 end
  local item = add(c, g, entries[g.path .. ".family"].f, at, size, c.big)
  if name then item:append_text(" (" .. name .. ")") end
  return v
end

-- form says how many octets the socket address at off takes, nil if it is none.
local function form(c, off, stop)
  local d = c.d
  if stop - off < 2 then return nil end
  local v = d.sa_len and byte(c.s, off + 2) or u16(c.s, off, c.big)
  if v == d.inet and stop - off >= 16 then return 16, 4 end
  if v == d.inet6 and stop - off >= d.sin6_len then return d.sin6_len, 6 end
  return nil
end

local function address(c, g, name, off, version)
  local path = g.path .. "." .. name
  local value = version == 4 and ipv4(c.s, off) or ipv6(c.s, off)
  local size = version == 4 and 4 or 16
  g.item:add(entries[path].f, range(c, off, size), value)
  alias(c, g, path, off, size, value)
  local any = g.item:add(version == 4 and f_ipv4 or f_ipv6, range(c, off, size))
  any:set_hidden()
  return value
end

local function sockaddr(c, g, off, size, version)
  local s, d = c.s, c.d
  family(c, g, off)
  local addr = address(c, g, "addr", off + (version == 4 and 4 or 8), version)
  local port = number(c, g, "port", off + 2, 2, true, "number")
  local sa_len = d.sa_len and byte(s, off + 1) or 0
  if sa_len ~= (d.sa_len and size or 0) then
    number(c, g, "sa_len", off, 1, true, "number")
  end
  if version == 4 then
    if not zero(s, off + 8, off + 16) then secret(c, g, "zero", off + 8, off + 16, 0) end
  else
    if not zero(s, off + 4, off + 8) then number(c, g, "flowinfo", off + 4, 4, true, "number") end
    if not zero(s, off + 24, off + 28) then number(c, g, "scope_id", off + 24, 4, c.big, "number") end
    if size == 32 and not zero(s, off + 28, off + 32) then number(c, g, "src_id", off + 28, 4, c.big, "number") end
  end
  return addr, port
end

-- one_address is the trailer of the address extensions.
local function one_address(c, g, off, stop)
  if off == stop then return off end
  local size, version = form(c, off, stop)
  if not size then
    if stop - off >= 2 then family(c, g, off) end
    local last = math.min(stop, off + 32)
    octets(c, g, "sockaddr", off, last)
    return last
  end
  local addr, port = sockaddr(c, g, off, size, version)
  g.addr, g.port = addr, port
  off = off + size
  local last = math.min(stop, g.start + round8(off - g.start))
  if last > off and not zero(c.s, off, last) then
    secret(c, g, "pad", off, last, 0)
  end
  return math.max(last, off)
end

local function pair(c, g, off, stop, first, second)
  for _, name in ipairs({first, second}) do
    if off >= stop or zero(c.s, off, stop) then return off end
    local size, version = form(c, off, stop)
    if not size then
      if stop - off < 2 then return off end
      local last = math.min(stop, off + 32)
      local o = open(c, g, g.path .. "." .. name, off, last - off, label_of(name))
      family(c, o, off)
      octets(c, o, "sockaddr", off, last)
      return last
    end
    local o = open(c, g, g.path .. "." .. name, off, size, nil)
    local addr = sockaddr(c, o, off, size, version)
    o.item:set_text(label_of(name) .. ": " .. addr)
    g[name] = addr
    up(o)
    off = off + size
  end
  return off
end

---------------------------------------------------------------------------
-- What follows the fixed part of a structure

local function list(c, g, x, name, shape, off, count, title)
  for i = 1, count do
    local o = open(c, g, g.path .. "." .. name, off, shape.size, nil)
    local v = members(c, o, x, shape, off)
    o.item:set_text(title(i, v))
    off = off + shape.size
  end
  return off
end

local function ident(c, g, off, stop)
  if off == stop then return off end
  local s, base = c.s, g.start
  local z = s:find("\0", off + 1, true)
  if z and z <= stop then
    z = z - 1 -- where the NUL is, from 0
    local last = stop
    local word = base + floor((z - base + 8) / 8) * 8
    local typ = u16(s, base + 4, c.big)
    if typ >= 1 and typ <= 3 then last = math.min(stop, word) end
    if is_text(sub(s, off + 1, z)) and zero(s, z, last) and last == word then
      g.brief = text(c, g, "identity", off, z, z - off)
      return last
    end
  end
  octets(c, g, "identity_hex", off, stop)
  return stop
end

local function sized_text(c, g, name, off, size, stop)
  local last = math.min(off + size, stop)
  if last == off then return off end
  local s = sub(c.s, off + 1, last)
  if #s == size and byte(s, size) == 0 and is_text(s:sub(1, size - 1)) then
    g.brief = text(c, g, name, off, last - 1)
  else
    octets(c, g, name .. "_hex", off, last)
  end
  return last
end

local function title_of_comb(i, v)
  return fmt("Combination %d: %s", i, tostring(v.encrypt) .. " " .. tostring(v.auth))
end

local trailers = {}

function trailers.sockaddr(c, g, x, off, stop) return one_address(c, g, off, stop) end
function trailers.sockaddrs(c, g, x, off, stop) return pair(c, g, off, stop, "local", "remote") end
function trailers.ident(c, g, x, off, stop) return ident(c, g, off, stop) end

function trailers.bitmaps(c, g, x, off, stop)
  for i, name in ipairs({"sens_bitmap", "integ_bitmap"}) do
    local words = math.min(byte(c.s, g.start + 8 + 2 * i), floor((stop - off) / 8))
    local o = {item = g.item, path = g.path .. "." .. name}
    for _ = 1, words do
      number(c, o, nil, off, 8, c.big, "number")
      off = off + 8
    end
  end
  return off
end

function trailers.combs(c, g, x, off, stop)
  local shape = T.shapes["sadb_comb"]
  local n = floor((stop - off) / shape.size)
  g.brief = fmt("%d combination%s", n, n == 1 and "" or "s")
  return list(c, g, x, "combs", shape, off, n, title_of_comb)
end

function trailers.algs(c, g, x, off, stop)
  local shape = T.shapes[c.d.alg]
  local n = floor((stop - off) / shape.size)
  g.brief = fmt("%d algorithm%s", n, n == 1 and "" or "s")
  return list(c, g, x, "algs", shape, off, n, function(i, v)
    return fmt("Algorithm %s: %d to %d bits", tostring(v.id), v.minbits, v.maxbits)
  end)
end

function trailers.stats(c, g, x, off, stop)
  local shape = T.shapes["sastat"]
  local n = math.min(floor((stop - off) / shape.size), u32(c.s, g.start + 12, c.big))
  return list(c, g, x, "list", shape, off, n, function(i, v) return fmt("SA 0x%08x", v.spi) end)
end

function trailers.ecombs(c, g, x, off, stop)
  local shape, alg = T.shapes["sadb_x_ecomb"], T.shapes["sadb_x_algdesc"]
  local i = 0
  while stop - off >= shape.size do
    local count = byte(c.s, off + 1)
    local size = shape.size + count * alg.size
    if size > stop - off then break end
    i = i + 1
    local o = open(c, g, g.path .. ".ecombs", off, size, fmt("Combination %d of %d algorithms", i, count))
    members(c, o, x, shape, off)
    list(c, o, x, "algs", alg, off + shape.size, count, function(_, v)
      return fmt("%s %s %s", tostring(v.satype), tostring(v.algtype), tostring(v.alg))
    end)
    off = off + size
  end
  return off
end

function trailers.requests(c, g, x, off, stop)
  local shape = T.shapes[c.d.request]
  local i = 0
  while stop - off >= shape.size do
    local size = u16(c.s, off, c.big)
    if size < shape.size or size > stop - off then break end
    i = i + 1
    local o = open(c, g, g.path .. ".requests", off, size, nil)
    local v = members(c, o, x, shape, off)
    local last = off + size
    local rest = pair(c, o, off + shape.size, last, "src", "dst")
    local title = fmt("%s/%s/%s/%s%s", T.protocols[v.proto] or fmt("%d", v.proto), tostring(v.mode):lower(),
      o.src and o.src .. "-" .. (o.dst or "") or "", tostring(v.level):lower(), v.reqid > 0 and fmt(":%d", v.reqid) or "")
    o.item:set_text("Request " .. title)
    c.requests = (c.requests and c.requests .. " " or "") .. title
    if rest < last and not zero(c.s, rest, last) then secret(c, o, "tail", rest, last, 0) end
    if c.hide and o.first then o.item:set_len(o.first - off) end
    up(o)
    off = last
  end
  return off
end

function trailers.context(c, g, x, off, stop) return sized_text(c, g, "ctx", off, u16(c.s, g.start + 6, c.big), stop) end
function trailers.tag(c, g, x, off, stop) return sized_text(c, g, "tag", off, math.min(u32(c.s, g.start + 4, c.big), stop - g.start), stop) end

---------------------------------------------------------------------------
-- Extensions

local KEY_OCTETS = function(bits) return floor((bits + 7) / 8) end

-- ilp32: a sadb_session_id of a 32-bit macOS process, see isILP32 of package layers.
local function ilp32(c, off, stop)
  return not c.big and stop - off >= 24 and not zero(c.s, off + 4, off + 8) and zero(c.s, off + 20, off + 24)
end

local function secret_body(c, g, x, shape, off, stop)
  for _, f in ipairs(shape.fields) do
    local at = off + f[2]
    if f[5] == "reserved" then
      if not zero(c.s, at, off + shape.size) then secret(c, g, f[1], at, off + shape.size, 0) end
    else
      member(c, g, x, f, off)
    end
  end
  local n = off + shape.size
  if shape.trailer == "secret" then
    if stop > n then
      secret(c, g, "data", n, stop, 0, true)
      g.brief = fmt("%d bytes", stop - n)
    end
    return
  end
  local bits = u16(c.s, off + 4, c.big)
  local key = math.min(KEY_OCTETS(bits), stop - n)
  if key > 0 then secret(c, g, "key", n, n + key, key, true) end
  n = n + key
  if not zero(c.s, n, stop) then secret(c, g, "pad", n, stop, 0) end
  g.brief = fmt("%d bits", bits)
end

local function filter(c, g, shape, off)
  local fam = u16(c.s, off + 36, c.big)
  for _, f in ipairs(shape.fields) do
    local at = off + f[2]
    if f[5] == "family" then
      local item = add(c, g, entries[g.path .. ".family"].f, at, 2, c.big)
      if fam == c.d.inet then item:append_text(" (inet)") elseif fam == c.d.inet6 then item:append_text(" (inet6)") end
    elseif f[5] ~= "address" then
      number(c, g, f[1], at, f[3], c.big, f[5])
    elseif fam == c.d.inet and zero(c.s, at + 4, at + 16) then
      address(c, g, f[1], at, 4)
    elseif fam == c.d.inet6 then
      address(c, g, f[1], at, 6)
    else
      octets(c, g, f[1] .. "_hex", at, at + 16)
    end
  end
end

local function extension_body(c, g, x, off, stop)
  local shape = T.shapes[x[2]]
  if c.d.long_sa and x[2] == "sadb_sa" and stop - off >= T.shapes["sadb_sa_2"].size then
    shape = T.shapes["sadb_sa_2"]
  elseif x[2] == "sadb_session_id" and ilp32(c, off, stop) then
    shape = T.shapes["sadb_session_id@ilp32"]
  end
  local n = off + shape.size
  if shape.trailer == "key" or shape.trailer == "secret" then
    return secret_body(c, g, x, shape, off, stop)
  end
  local name = x[2]
  if name == "sadb_x_filter" then
    filter(c, g, shape, off)
  elseif name == "sadb_session_id" then
    local v = {item = g.item, path = g.path .. ".v"}
    local at = off + 8
    if shape ~= T.shapes[name] then
      at = off + 4
      note(c, g, g.path .. ".v_offset", at, 0, 4)
    else
      member(c, g, x, shape.fields[1], off)
    end
    number(c, v, nil, at, 8, c.big, "number")
    number(c, v, nil, at + 8, 8, c.big, "number")
    if shape ~= T.shapes[name] then member(c, g, x, shape.fields[3], off) end
  elseif name == "sadb_x_kmc" and u32(c.s, off + 4, c.big) == 3 then -- of IKEv2: a cookie of 64 bits
    members(c, g, x, shape, off, 1)
    number(c, g, "cookie64", off + 8, 8, c.big, "number")
  elseif name == "sadb_x_ereg" then
    local v = {item = g.item, path = g.path .. ".satypes"}
    for at = off + 4, stop - 1 do
      number(c, v, nil, at, 1, c.big, "number", T.enum.satype)
    end
    return
  else
    g.values = members(c, g, x, shape, off)
  end
  local trailer = trailers[shape.trailer]
  if trailer then n = trailer(c, g, x, n, stop) end
  if n < stop and not zero(c.s, n, stop) then secret(c, g, "tail", n, stop, 0) end
end

-- brief is what a line says of an extension.
local function brief(c, g, key)
  local v = g.values or {}
  if g.addr then
    local prefix = v.prefixlen and v.prefixlen ~= (g.addr:find(":") and 128 or 32) and fmt("/%d", v.prefixlen) or ""
    local port = g.port and g.port > 0 and fmt("[%d]", g.port) or ""
    return g.addr .. prefix .. port
  elseif key == "sa" or key == "sa2" and v.spi then
    return fmt("0x%08x", v.spi or 0) .. (v.state and (type(v.state) == "string" and " " .. v.state:lower() or fmt(" state %d", v.state)) or "")
  elseif key == "policy" and v.dir then
    local dir = tostring(v.dir):lower():gsub("bound$", "")
    return dir .. " " .. tostring(v.type):lower()
  elseif v.mode then
    return tostring(v.mode):lower() .. (v.reqid and v.reqid > 0 and fmt(" reqid %d", v.reqid) or "")
  elseif v.min and v.max then
    return fmt("0x%08x to 0x%08x", v.min, v.max)
  elseif v.port then
    return fmt("%d", v.port)
  end
  return g.brief
end

-- extension adds the extension at off. words is its length as it says.
local function extension(c, tree, off, words, num)
  local stop = off + words * 8
  local x = c.d.ext[num]
  local shape = x and T.shapes[x[2]]
  local name = x and x[1] or "UNKNOWN"
  local key = name:lower()
  local short = x and stop - off < shape.size
  local g = open(c, {item = tree}, key, off, stop - off, nil)
  g.start, g.parent = off, nil
  number(c, g, "len", off, 2, c.big, "words")
  number(c, g, "exttype", off + 2, 2, c.big, "number")
  note(c, g, key .. ".offset", off, 0, off)
  if not x or short then
    secret(c, g, "data", off + 4, stop, 0)
    if short then
      g.item:add_proto_expert_info(x_short, fmt("%s of %d bytes, whose structure has %d", name, stop - off, shape.size))
    else
      g.item:add_proto_expert_info(x_unknown, fmt("dialect %s has no extension %d", c.dialect, num))
    end
  else
    extension_body(c, g, x, off, stop)
  end
  local b = not short and brief(c, g, key)
  g.item:set_text(fmt("%s (%d)%s", name, num, b and ": " .. b or ""))
  if c.hide and g.first then g.item:set_len(g.first - off) end
  c.found[key] = c.found[key] or g
  return x and not short and x[2] or nil
end

---------------------------------------------------------------------------
-- Messages

local function malformed(c, tree, off, stop, code, why)
  local g = open(c, {item = tree}, "malformed", off, 0, "Malformed: " .. why)
  note(c, g, "malformed.code", off, 0, code)
  note(c, g, "malformed.offset", off, 0, off)
  if stop > off then secret(c, g, "rest", off, stop, 0) end
  local cut = c.tvb:reported_len() > c.n and code ~= "short-header"
  g.item:add_proto_expert_info(cut and x_cut or x_malformed,
    fmt("at byte %d: %s (%d bytes not decoded%s)", off, why, stop - off, cut and "; the message was cut short" or ""))
  c.bad = c.bad or code
end

-- wraps: an X_PROMISC header around a message, see wraps of package layers.
local function wraps(c, off, stop)
  local s, b = c.s, off + 16
  local room = stop - b
  if byte(s, off + 2) ~= 11 or room < 16 then return false end
  local n = u16(s, b + 4, c.big) * 8
  if n == room then
    local first = u16(s, b, c.big) * 8
    return byte(s, b + 1) == 2 or first == 0 or first > room
  elseif n > room then
    local said = u16(s, off + 4, c.big) * 8 - 16
    return byte(s, b + 1) == 2 and (n == said or n == said - 16)
  end
  return false
end

local PROMISC, SPDDUMP = 11, 18

local function header(c, tree, off)
  local s, d = c.s, c.d
  local typ, errno, satype = byte(s, off + 2, off + 4)
  local m = {item = tree, path = "msg"}
  local g = open(c, m, "msg", off, 16, nil)
  number(c, g, "version", off, 1, c.big, "number")
  local _, type_name = number(c, g, "type", off + 1, 1, c.big, "enum", T.enum.msgtype)
  number(c, g, "errno", off + 2, 1, c.big, "number")
  local errno_name = errno > 0 and d.errno > 0 and T.values[d.errno][errno] or nil
  local enum = T.enum.satype
  if typ == PROMISC then enum = nil
  elseif typ == SPDDUMP and c.dialect == "freebsd" and satype ~= 0 then enum = T.enum.scope end
  local _, satype_name = number(c, g, "satype", off + 3, 1, c.big, "enum", enum)
  number(c, g, "len", off + 4, 2, c.big, "words")
  local reserved = u16(s, off + 6, c.big)
  if reserved > 0 then number(c, g, "reserved", off + 6, 2, c.big, "enum", T.enum.diagnostic) end
  local seq = number(c, g, "seq", off + 8, 4, c.big, "number")
  local pid = number(c, g, "pid", off + 12, 4, c.big, "number")
  local title = type_name or fmt("type %d", typ)
  if typ == PROMISC then
    title = title .. (satype == 1 and " on" or satype == 0 and " off" or "")
  elseif satype > 0 then
    title = title .. " " .. (satype_name and satype_name:lower() or fmt("satype=%d", satype))
  end
  g.item:set_text("Header: " .. title)
  if errno > 0 then
    if errno_name then note(c, g, "msg.errno_name", off + 2, 1, errno_name) end
    -- The sender of a request may have set it; the kernel does not look at it there.
    if c.dir ~= 2 then
      g.item:add_proto_expert_info(x_errno, fmt("%s was refused with errno %d%s", title, errno, errno_name and " (" .. errno_name .. ")" or ""))
    end
  end
  c.found = {}
  c.requests = nil
  c.title, c.type, c.type_name, c.errno, c.errno_name, c.seq, c.pid = title, typ, type_name, errno, errno_name, seq, pid
  c.at = off
  c.ipcomp = satype == T.ipcomp and T.values[d.enum[T.enum.satype]][satype] ~= nil
  return g
end

local function message(c, tree, off, stop, depth)
  if stop - off < 16 then
    return malformed(c, tree, off, stop, "short-header", "fewer than the 16 bytes of a message header")
  end
  if depth > 8 then
    return malformed(c, tree, off, stop, "too-deep", "more than 8 messages inside each other")
  end
  local g = header(c, tree, off)
  local said = u16(c.s, off + 4, c.big) * 8
  if depth == 0 and said ~= c.tvb:reported_len() then
    g.item:add_proto_expert_info(x_length, fmt("sadb_msg_len says %d bytes, the message has %d", said, c.tvb:reported_len()))
  end
  if wraps(c, off, stop) then
    g.item:set_text("Header: a promiscuous copy of the message inside")
    local inside = tree:add(range(c, off + 16, stop - off - 16), "Message inside")
    return message(c, inside, off + 16, stop, depth + 1)
  end
  local at = off + 16
  while at < stop do
    if stop - at < 4 then
      return malformed(c, tree, at, stop, "trailing-bytes", "fewer than the 4 bytes of an extension header are left")
    end
    local words, num = u16(c.s, at, c.big), u16(c.s, at + 2, c.big)
    if words == 0 then
      return malformed(c, tree, at, stop, "extension-length-zero", "an extension of length 0")
    end
    if words * 8 > stop - at then
      return malformed(c, tree, at, stop, "extension-overrun", "an extension that runs past the end of the message")
    end
    local structure = extension(c, tree, at, words, num)
    local over = structure == "sadb_key" and KEY_OCTETS(u16(c.s, at + 4, c.big)) > words * 8 - 8
    at = at + words * 8
    if over then
      if at < stop then
        malformed(c, tree, at, stop, "key-overrun",
          "the key before has more bits than its extension holds, so where the next extension begins is not known")
      end
      return
    end
  end
end

---------------------------------------------------------------------------
-- What the capture says of itself, and what the bytes look like

local described = {} -- by description

local function describe(text)
  local m = described[text]
  if m then return m end
  m = {}
  if text:match("^%s*PF_KEYv2%s") or text:match("^%s*PF_KEYv2$") then
    m.ours = true
    for k, v in text:gmatch("(%w+)=(%S+)") do
      if m[k] == nil then m[k] = v end
    end
    if m.dialect == "darwin" then m.dialect = "macos" elseif m.dialect == "solaris" then m.dialect = "illumos" end
    if m.dialect and not T.dialects[m.dialect] then m.dialect = nil end
    m.standins = m.keys == "beside" or m.keys == "none"
  end
  described[text] = m
  return m
end

local evidence = {} -- by interface: points against each dialect

-- sniff notes what in a message a dialect would not have written: the rules of
-- package sniff that say most. It returns the dialect that least speaks against in
-- the messages so far, and whether that is certain; nil if Linux will do as well.
local function sniff(s, n, big, where, visited)
  local e = evidence[where]
  if not e then
    e = {points = {}, seen = 0}
    for _, name in ipairs(T.order) do e.points[name] = 0 end
    evidence[where] = e
  end
  if not visited and e.seen < 100 and n >= 16 then
    e.seen = e.seen + 1
    for _, name in ipairs(T.order) do
      local d = T.dialects[name]
      local points = 0
      local names = T.values[d.enum[T.enum.msgtype]]
      if not names[byte(s, 2)] then points = points + 4 end
      local at = 16
      while n - at >= 4 do
        local size = u16(s, at, big) * 8
        if size == 0 or size > n - at then break end
        local x = d.ext[u16(s, at + 2, big)]
        local shape = x and T.shapes[x[2]]
        if not x then
          points = points + 6
        elseif size < shape.size or shape.trailer == "none" and size > shape.size and not (d.long_sa and x[2] == "sadb_sa") then
          points = points + 5
        elseif shape.trailer == "sockaddr" and size >= shape.size + 16 and name ~= "rfc2367" then
          local b = at + shape.size
          local fam = d.sa_len and byte(s, b + 2) or u16(s, b, big)
          local len = d.sa_len and byte(s, b + 1) or nil
          local want = fam == d.inet and 16 or fam == d.inet6 and d.sin6_len
          if not want or len and len ~= want then points = points + 8 end
        end
        at = at + size
      end
      e.points[name] = e.points[name] + math.min(points, 24)
    end
  end
  local best, next_best
  for _, name in ipairs(T.order) do
    local p = e.points[name]
    if name == "rfc2367" then -- every system has its numbers: nothing speaks for it
    elseif not best or p < e.points[best] then best, next_best = name, best and e.points[best]
    elseif not next_best or p < next_best then next_best = p end
  end
  if next_best >= e.points[best] + 7 then return best, true end
  if e.points.linux >= e.points[best] + 7 then return best, false end
  return nil
end

local function codec(c, m, where, visited)
  local s, n, wire = c.s, c.n, c.tvb:reported_len()
  local order = pfkey.prefs.order
  local little = n >= 6 and u16(s, 4, false) * 8 == wire
  local big = n >= 6 and u16(s, 4, true) * 8 == wire
  local claimed = m.byteorder
  if order ~= 0 then
    c.big, c.order_from = order == 2, "the preference pfkey.order"
  elseif little ~= big then
    c.big, c.order_from = big, "the length in the message"
    if claimed and (claimed == "be" or claimed == "big") ~= big then
      c.contradiction = fmt("%s-endian by its length, though the capture says byteorder=%s", big and "big" or "little", claimed)
    end
  elseif claimed then
    c.big, c.order_from = claimed == "be" or claimed == "big", "byteorder= of the capture"
  else
    c.big, c.order_from = false, "nothing: assumed"
  end
  local choice = pfkey.prefs.dialect
  if choice ~= 0 and T.order[choice] then
    c.dialect, c.dialect_from = T.order[choice], "the preference pfkey.dialect"
  elseif m.dialect then
    c.dialect, c.dialect_from = m.dialect, "dialect= of the capture"
  else
    local name, certain = sniff(s, n, c.big, where, visited)
    c.dialect, c.dialect_from = name or "linux", certain and "what the messages look like"
      or name and "what the messages look like, though others look alike" or "nothing: assumed"
    c.unsure = true
  end
  c.d = T.dialects[c.dialect]
end

-- is_pfkey tells messages from what others use the same link type for.
local function is_pfkey(tvb)
  local n, wire = tvb:len(), tvb:reported_len()
  if n < 16 then return false end
  local s = tvb:raw(0, 16)
  local typ = byte(s, 2)
  if byte(s, 1) ~= 2 or typ == 0 or typ > 40 then return false end
  for _, big in ipairs({false, true}) do
    local said = u16(s, 4, big) * 8
    if said == wire or typ == PROMISC and said == wire + 16 then return true end
  end
  return false
end

---------------------------------------------------------------------------
-- Requests and answers. Answers have the type, the process and the number of the
-- request; those of a dump have numbers of their own. A promiscuous socket on Linux
-- gets some messages twice.

local requests, links, kept = {}, {}, 0

local function link_of(frame)
  local l = links[frame]
  if not l then
    l = {}
    links[frame] = l
  end
  return l
end

local DUMP = 10
local flushes = {[9] = true, [19] = true}

local function pairing(c, pinfo, where)
  if pinfo.visited then return end
  local frame = pinfo.number
  local name = c.type_name or fmt("%d", c.type)
  local dumps = c.type == DUMP or name == "SPDDUMP"
  local key = fmt("%s %s %.0f", where, name:gsub("^X_", ""), c.pid)
  if not dumps then key = fmt("%s %.0f", key, c.seq) end
  local s = c.s
  local q = requests[key]
  if c.dir == 2 then
    if name == "ACQUIRE" and c.errno > 0 then return end -- a key manager gives up: nothing answers
    if q and q.request == s and not q.answer and q.at == frame - 1 then
      link_of(frame).twin_of = q.frame
      return
    end
    kept = kept + 1
    if kept > 100000 then -- of so long ago that nothing answers any more
      requests, kept = {}, 1
    end
    requests[key] = {frame = frame, at = frame, request = s, time = pinfo.rel_ts}
    return
  end
  if c.dir ~= 1 or not q then return end
  -- On Linux the answer to a FLUSH goes to the sender only, the notification that
  -- comes after it, with the same bytes, to everyone.
  local copies = (c.promisc == "0" or flushes[c.type] and q.answers == 1) and 1 or 2
  if q.answer == s and q.copies < copies then
    q.copies = q.copies + 1
    link_of(frame).twin_of = q.answered
    return
  end
  local more = dumps or flushes[c.type] and q.answers == 1
  if q.answers and (not more or q.closed) then return end
  q.answers = (q.answers or 0) + 1
  q.answer, q.answered, q.copies = s, frame, 1
  if dumps and (c.seq == 0 or c.errno > 0) and c.dialect ~= "openbsd" then q.closed = true end
  local l = link_of(frame)
  l.reply_to, l.since = q.frame, math.max(pinfo.rel_ts - q.time, 0)
  local r = link_of(q.frame)
  r.replies = r.replies or {}
  if #r.replies < 1000 then r.replies[#r.replies + 1] = frame end
end

function pfkey.init()
  requests, links, kept, evidence = {}, {}, 0, {}
end

---------------------------------------------------------------------------
-- The whole of it

local function generated(item)
  item:set_generated()
  return item
end

local directions = {[0] = "unknown", [1] = "from-kernel", [2] = "to-kernel"}

local function information(c, l)
  local f = c.found or {}
  local out = {c.title or "Malformed"}
  local function say(...) out[#out + 1] = fmt(...) end
  local policy = f.policy
  if policy and policy.values and policy.values.dir then
    say("%s", brief(c, policy, "policy"))
  end
  if f.address_src and f.address_src.addr and f.address_dst and f.address_dst.addr then
    say("%s > %s", brief(c, f.address_src, "address_src"), brief(c, f.address_dst, "address_dst"))
  end
  local sa = f.sa and f.sa.values
  if sa and sa.spi then say("spi=0x%08x", sa.spi) end
  if f.spirange and f.spirange.values then say("range=0x%08x-0x%08x", f.spirange.values.min, f.spirange.values.max) end
  if sa and c.dir ~= 2 then -- a request has none to tell of
    if sa.state == "LARVAL" and c.dir == 1 or sa.state == "DYING" or sa.state == "DEAD" then say("state=%s", sa.state:lower()) end
  end
  if sa and c.type ~= 1 then -- GETSPI has none yet
    if sa.encrypt and sa.encrypt ~= "NONE" and sa.encrypt ~= 0 then say("encrypt=%s", tostring(sa.encrypt):lower()) end
    if sa.auth and sa.auth ~= "NONE" and sa.auth ~= 0 then say("auth=%s", tostring(sa.auth):lower()) end
  end
  local sa2 = f.sa2 and f.sa2.values
  if sa2 and sa2.mode and sa2.mode ~= "ANY" then say("mode=%s", tostring(sa2.mode):lower()) end
  if sa2 and sa2.reqid and sa2.reqid > 0 then say("reqid=%.0f", sa2.reqid) end
  if c.requests then say("%s", c.requests) end
  if c.seq then say("seq=%.0f pid=%.0f%s", c.seq, c.pid, c.process and "(" .. c.process .. ")" or "") end
  if c.errno and c.errno > 0 then say("errno=%d%s", c.errno, c.errno_name and "(" .. c.errno_name .. ")" or "") end
  if c.bad then say("[%s]", c.bad) end
  if l and l.twin_of then say("[second copy of %d]", l.twin_of) end
  return concat(out, " ")
end

local encapsulation_of = Field.new("frame.encap_type")
local before = {} -- who had a link type before, by its number
local handing = false -- on to one of them, who may have been told to ask us

local function dissect(tvb, pinfo, tree)
  local desc = description_of()
  local text = desc and tostring(desc.value) or ""
  local m = describe(text)
  local encap = encapsulation_of()
  if not m.ours and (encap and encap.value ~= wtap.USER0 and before[encap.value] and not handing or not is_pfkey(tvb)) then return 0 end
  local n = tvb:len()
  if n == 0 then return 0 end
  local where = interface_of()
  where = where and tostring(where.value) or ""
  local flags = flags_of()
  local c = {tvb = tvb, s = tvb:raw(0, n), n = n, dir = flags and flags.value or 0, standins = m.standins, keys = m.keys, promisc = m.promisc, found = {}}
  codec(c, m, where, pinfo.visited)
  for _, comment in ipairs({comments_of()}) do
    local v = tostring(comment.value)
    c.process = c.process or v:match("^process=(.+)$")
    c.write_errno = c.write_errno or v:match("^write failed with errno (%d+)$")
  end

  pinfo.cols.protocol = "PF_KEY"
  local root = tree:add(pfkey, tvb(0, n))
  local function known(path, value)
    return generated(root:add(entries[path].f, tvb(0, 0), value))
  end
  local top = {}
  message(c, root, 0, n, 0)
  if c.title then pairing(c, pinfo, where) end
  local l = links[pinfo.number]

  local id = packetid_of()
  known("number", id and tonumber(tostring(id.value)) or pinfo.number):set_hidden()
  known("length", tvb:reported_len()):set_hidden()
  if n < tvb:reported_len() then
    known("caplen", n)
    root:add_proto_expert_info(x_cut, fmt("%d of the message's %d bytes are in the capture", n, tvb:reported_len()))
  end
  known("direction", directions[c.dir] or "unknown")
  local item = known("dialect", c.dialect)
  item:append_text(" (" .. c.dialect_from .. ")")
  if c.unsure then
    item:add_proto_expert_info(x_dialect, fmt("read as %s by %s; the preference pfkey.dialect overrides it", c.dialect, c.dialect_from))
  end
  known("order", c.big and "big" or "little"):append_text(" (" .. c.order_from .. ")")
  if c.contradiction then root:add_proto_expert_info(x_order, c.contradiction) end
  root:add(f_from, tvb(0, 0), c.dialect_from):set_hidden()
  root:add(f_order_from, tvb(0, 0), c.order_from):set_hidden()
  if c.process then known("process", c.process) end
  if c.write_errno then
    local v = tonumber(c.write_errno)
    local name = c.d.errno > 0 and T.values[c.d.errno][v] or nil
    local w = known("write_errno", v)
    if name then
      w:append_text(" (" .. name .. ")")
      known("write_errno_name", name):set_hidden()
    end
    w:add_proto_expert_info(x_write, fmt("write(2) of this message failed with errno %d%s", v, name and " (" .. name .. ")" or ""))
  end
  if l then
    if l.reply_to then
      known("reply_to", l.reply_to)
      generated(root:add(f_latency, tvb(0, 0), NSTime.new(floor(l.since), floor((l.since - floor(l.since)) * 1e9 + 0.5))))
    end
    if l.twin_of then known("twin_of", l.twin_of) end
    for _, r in ipairs(l.replies or {}) do generated(root:add(f_replied, tvb(0, 0), r)) end
  end

  local info = information(c, l)
  root:append_text(", " .. info)
  pinfo.cols.info = info
  if c.pid then
    local who = c.pid > 0 and fmt("pid %.0f%s", c.pid, c.process and " (" .. c.process .. ")" or "") or "everyone"
    if c.dir == 2 then
      pinfo.cols.src, pinfo.cols.dst = who, "kernel"
    elseif c.dir == 1 then
      pinfo.cols.src, pinfo.cols.dst = "kernel", who
    end
  end
  return n
end

---------------------------------------------------------------------------
-- Captures have link type USER0 (147), or another of the sixteen if the recorder was
-- told so. What is not PF_KEY goes where it went before.

local encapsulations = DissectorTable.get("wtap_encap")
function pfkey.dissector(tvb, pinfo, tree)
  local n = dissect(tvb, pinfo, tree)
  local encap = encapsulation_of()
  local other = encap and before[encap.value]
  if n > 0 or not other or handing then return n end
  handing = true
  n = other:call(tvb, pinfo, tree)
  handing = false
  return n
end

for i = 0, 15 do
  local encap = wtap["USER" .. i]
  if encap then
    before[encap] = encapsulations:get_dissector(encap)
    encapsulations:add(encap, pfkey)
  end
end
