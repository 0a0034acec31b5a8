import { z } from "zod";
import { commandAnswer, sendCommand } from "./command.ts";
import { confirmation, coordinationView } from "./coordination.ts";
import { eventView } from "./event.ts";
import { executionView } from "./execution.ts";
import { problem } from "./problem.ts";
import { sessionPresence } from "./session-presence.ts";

/** The subprotocol of `GET /v1/socket`: the frames below, each one text message of JSON. */
export const socketProtocol = "viable.v1";
/** Before the token, as a second subprotocol: for browsers, which can set no header. It is never answered. */
export const socketTokenPrefix = "bearer.";

/** A command is a decision, not an upload: a message holds as many bytes as a body over HTTP, 1 MiB. */
export const maxSocketMessageBytes = 1024 * 1024;
/** Frames of one socket that may be worked on at once: each may hold a mebibyte and wait for minutes, and who waits for more loses sight of them. */
export const maxSocketFrames = 64;
/** Sessions that one socket may be joined to: more than a screen shows. */
export const maxSocketJoins = 50;
/** Events that a join with `acks` may have unacknowledged: a page of them. */
export const maxUnacknowledgedEvents = 1_000;

/** Why the gateway closes a socket, beside what the protocol itself says (RFC 6455). */
export const socketClose = {
  /** 1001: the process stops. Others may serve the session: come again. */
  goingAway: 1001,
  /** 1003: a message was not text. */
  notText: 1003,
  /** 1011: a defect of the gateway's, which is in its process's log. */
  internal: 1011,
  /** 1013: the log cannot be read at present. Come again. */
  tryAgain: 1013,
  /** 4001: the token or its session is worth nothing any more. Coming again with it leads to nothing. */
  authorityEnded: 4001,
  /** 4008: the client took events more slowly than they came. It may come again, and is then fed at its own pace. */
  slowConsumer: 4008,
} as const;

const frameId = z.string().min(1).max(200);
const sessionId = z.string().min(1).max(200);
const position = z.string().min(1).max(100);

/** Asks for a session's events, after a position or from the first. With `acks` no more are sent than `ack` leaves room for. */
const joinFrame = z.strictObject({
  type: z.literal("join"),
  id: frameId.optional(),
  sessionId,
  after: position.optional(),
  acks: z.boolean().optional(),
});
const leaveFrame = z.strictObject({ type: z.literal("leave"), id: frameId.optional(), sessionId });
const commandFrame = z.strictObject({
  ...sendCommand.shape,
  type: z.literal("command"),
  id: frameId,
  sessionId,
  idempotencyKey: z.string().min(1).max(200).optional(),
});
const cancelFrame = z.strictObject({
  type: z.literal("cancel"),
  id: frameId,
  executionId: z.string().min(1).max(200),
  reason: z.string().max(500).optional(),
});
/** The client's word on what was asked of its session's clients. */
const confirmFrame = z.strictObject({
  ...confirmation.shape,
  type: z.literal("confirm"),
  id: frameId,
  coordinationId: z.string().min(1).max(200),
});
/** The client has handled a session's events up to this one. */
const ackFrame = z.strictObject({ type: z.literal("ack"), sessionId, position });

/** What a client sends. */
export const clientFrame = z.discriminatedUnion("type", [
  joinFrame,
  leaveFrame,
  commandFrame,
  cancelFrame,
  confirmFrame,
  ackFrame,
]);
/** As it is read, with what was left out filled in. */
export type ClientFrame = z.output<typeof clientFrame>;
/** As it may be written. */
export type ClientFrameInput = z.input<typeof clientFrame>;

/** The session is joined; its events after the position follow. */
const joinedFrame = z.object({
  type: z.literal("joined"),
  id: z.string().optional(),
  sessionId: z.string(),
  position: z.string(),
});
/** What a command came to, as over HTTP, the execution that a `cancel` was about, or how it stands with what was confirmed. */
const replyFrame = z.object({
  type: z.literal("reply"),
  id: z.string(),
  answer: commandAnswer.optional(),
  execution: executionView.optional(),
  coordination: coordinationView.optional(),
});
const eventFrame = z.object({
  type: z.literal("event"),
  sessionId: z.string(),
  position: z.string(),
  event: eventView,
});
/** A frame was refused (`id`), a join came to an end (`sessionId`), or the whole socket will now be closed (neither). */
const errorFrame = z.object({
  type: z.literal("error"),
  id: z.string().optional(),
  sessionId: z.string().optional(),
  problem,
  /** When the same frame may find more room. */
  retryAfterMs: z.number().optional(),
  /** Up to where events were sent. */
  position: z.string().optional(),
});
const presenceFrame = sessionPresence.extend({ type: z.literal("presence"), sessionId: z.string() });
/** Comes with each heartbeat (`feedHeartbeatMs`), for clients that are not shown pings: a line of which three are missed is dead. */
const beatFrame = z.object({ type: z.literal("beat") });

/** What a gateway sends. Later ones may send other types, which a client passes over. */
export const serverFrame = z.discriminatedUnion("type", [
  joinedFrame,
  replyFrame,
  eventFrame,
  errorFrame,
  presenceFrame,
  beatFrame,
]);
export type ServerFrame = z.infer<typeof serverFrame>;
