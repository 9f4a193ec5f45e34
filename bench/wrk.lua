-- Sends the bodies of a file in turn, and stops after a fixed number of answers, so that every server does the same
-- work. Arguments: file, number of answers, text that a complete answer contains.
local ffi = require("ffi")
ffi.cdef([[
typedef struct { long seconds; long nanoseconds; } monotonic_time;
int clock_gettime(int clock, monotonic_time *time);
]])

local CLOCK_MONOTONIC = 1
local bodies, sent, answered, bad, began = {}, 0, 0, 0, 0

local function now()
    local time = ffi.new("monotonic_time")
    ffi.C.clock_gettime(CLOCK_MONOTONIC, time)
    return tonumber(time.seconds) + tonumber(time.nanoseconds) / 1e9
end

function init(args)
    wrk.headers["Content-Type"] = "application/json"
    for line in io.lines(args[1]) do
        bodies[#bodies + 1] = wrk.format("POST", nil, nil, line)
    end
    wanted, proof = tonumber(args[2]), args[3]
    began = now()
end

function request()
    sent = sent + 1
    return bodies[sent % #bodies + 1]
end

function response(status, headers, body)
    answered = answered + 1
    if status ~= 200 or not body:find(proof, 1, true) then
        bad = bad + 1
    end
    if answered == wanted then
        io.write(string.format("%.6f %d\n", now() - began, bad))
        io.flush()
        wrk.thread:stop()
    end
end
