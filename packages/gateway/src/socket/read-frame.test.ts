// What a message is taken for: every frame as it is written, and for anything else why not.
import { expect, test } from "vitest";
import { readFrame } from "./read-frame.ts";

test.each([
  { type: "join", sessionId: "ses_1" },
  { type: "join", id: "1", sessionId: "ses_1", after: "12", acks: true },
  { type: "leave", sessionId: "ses_1" },
  { type: "cancel", id: "1", executionId: "exe_1", reason: "no need" },
  { type: "confirm", id: "1", coordinationId: "apr_1", decision: "reject", reason: "no need" },
  { type: "ack", sessionId: "ses_1", position: "12" },
])("$type is a frame", (frame) => {
  expect(readFrame(JSON.stringify(frame))).toEqual({ ok: true, frame });
});

test("what a command leaves out is filled in as over HTTP", () => {
  expect(readFrame('{"type":"command","id":"1","sessionId":"ses_1","command":"x"}')).toEqual({
    ok: true,
    frame: { type: "command", id: "1", sessionId: "ses_1", command: "x", args: {}, mode: "auto" },
  });
});

test.each([
  ["", "gateway.malformed_frame", undefined],
  ["{", "gateway.malformed_frame", undefined],
  [`${"[".repeat(70)}${"]".repeat(70)}`, "gateway.malformed_frame", undefined],
  ["null", "gateway.invalid_frame", undefined],
  ["[]", "gateway.invalid_frame", undefined],
  ['{"id":"7"}', "gateway.invalid_frame", "7"],
  ['{"type":"join","id":"7"}', "gateway.invalid_frame", "7"],
  ['{"type":"join","id":7,"sessionId":"s"}', "gateway.invalid_frame", undefined],
  ['{"type":"join","sessionId":"s","also":1}', "gateway.invalid_frame", undefined],
  ['{"type":"command","id":"7","sessionId":"s","command":"x","idempotencyKey":""}', "gateway.invalid_frame", "7"],
  ['{"type":"shout","id":"7"}', "gateway.unknown_frame", "7"],
  ['{"type":"__proto__","id":"7"}', "gateway.unknown_frame", "7"],
  [`{"type":"shout","id":"${"7".repeat(201)}"}`, "gateway.unknown_frame", undefined],
])("%s is none", (text, code, id) => {
  expect(readFrame(text)).toMatchObject({ ok: false, id, problem: { code } });
});
