import type { JsonValue } from "@viable/kernel";
import { z } from "zod";
import { errorOnTheWire } from "./problem.ts";

/** Where an execution stands. The last four are outcomes: one of them, once (W5). */
export const executionStatus = z.enum([
  "pending",
  "running",
  "waiting",
  "completed",
  "failed",
  "cancelled",
  "timed_out",
]);
export type ExecutionStatus = z.infer<typeof executionStatus>;

export const outcomeStatuses = ["completed", "failed", "cancelled", "timed_out"] as const satisfies ExecutionStatus[];
export type OutcomeStatus = (typeof outcomeStatuses)[number];

export const isOutcome = (status: ExecutionStatus): status is OutcomeStatus =>
  (outcomeStatuses as readonly string[]).includes(status);

/** Plain JSON. Its depth and size are bounded where it enters, its content by whoever asks for it. */
export const jsonValue: z.ZodType<JsonValue> = z.json() as z.ZodType<JsonValue>;

/** The same where the log has it, which takes nothing else: looked at once is enough. */
export const keptJson = z.custom<JsonValue>((value) => value !== undefined);

/** One swarm that could have taken a task, and what spoke for it. */
const routeCandidate = z.object({
  service: z.string(),
  processId: z.string(),
  /** Lower is better; what it is made of is named by the policy. */
  score: z.number(),
  running: z.number(),
  queued: z.number(),
  workers: z.number(),
  latencyMs: z.number(),
  /** Of a swarm in another process: how many tasks were routed there since it told the load that stands here, less those that ended since. */
  routed: z.number().int().optional(),
  /** Of a swarm of a legacy service: true. */
  legacy: z.boolean().optional(),
});
export type RouteCandidate = z.infer<typeof routeCandidate>;

/** Why a task went where it went. Rides in the event it leads to. */
export const routeDecision = z.object({
  capability: z.string(),
  policy: z.string(),
  chosen: z.object({ service: z.string(), processId: z.string(), epoch: z.number().int() }),
  reason: z.string(),
  candidates: z.array(routeCandidate),
  /** The service that was asked for by name: no other could be chosen. */
  pinned: z.string().optional(),
  /** The migration rule that had a say: whose tasks it shares out, how many of a hundred stay there, and which side this one went to. */
  migration: z.object({ service: z.string(), percent: z.number(), side: z.enum(["service", "legacy"]) }).optional(),
  /** The routing rule that it went by; absent where none was for it. */
  rule: z.string().optional(),
  /** Who offers it and was not considered, and why; absent where nobody was left out. */
  leftOut: z.array(z.object({ service: z.string(), processId: z.string(), reason: z.string() })).optional(),
  /** The task tries whether a swarm is well again that had failed. */
  probe: z.literal(true).optional(),
});
export type RouteDecision = z.infer<typeof routeDecision>;

export const claim = z.object({ processId: z.string(), epoch: z.number().int(), attempt: z.number().int().min(1) });
export type Claim = z.infer<typeof claim>;

export const progress = z.object({
  percent: z.number().min(0).max(100),
  message: z.string(),
  metadata: z.record(z.string(), jsonValue).optional(),
});
export type Progress = z.infer<typeof progress>;

/** What a person is asked before an execution begins. */
const askedApproval = z.object({
  approvalId: z.string(),
  title: z.string(),
  /** Until when it can be decided. */
  untilAt: z.string(),
  /** Who alone may decide, by their principals; absent where everybody may whose token lets them. */
  approvers: z.array(z.string()).optional(),
});

/** What an execution waits for: another of the same task that is under way, or a person. */
const executionWait = z.union([z.literal("equal_work"), askedApproval.extend({ for: z.literal("approval") })]);

/** That a person was asked before an execution began, and what was said. */
export const saidApproval = z.object({
  /** Absent as long as nobody has said anything. */
  decision: z.enum(["approved", "rejected"]).optional(),
  by: z.string().optional(),
  reason: z.string().optional(),
  decidedAt: z.string().optional(),
});

/** An execution as clients see it. */
export const executionView = z.object({
  executionId: z.string(),
  command: z.string(),
  status: executionStatus,
  /** What it waits for, where `status` is `waiting`: `equal_work` is another execution of the same task, already under way. */
  waitingFor: executionWait.optional(),
  /** Absent where no person was asked. */
  approval: askedApproval.extend(saidApproval.shape).optional(),
  service: z.string(),
  agent: z.string(),
  args: jsonValue,
  progress: progress.optional(),
  result: jsonValue.optional(),
  error: errorOnTheWire.optional(),
  attempts: z.number().int(),
  sessionId: z.string().optional(),
  parentId: z.string().optional(),
  correlationId: z.string(),
  joinedTo: z.string().optional(),
  principal: z.string(),
  acceptedAt: z.string(),
  startedAt: z.string().optional(),
  endedAt: z.string().optional(),
  deadlineAt: z.string(),
});
export type ExecutionView = z.infer<typeof executionView>;

/** Over how many hops a task or a run may come, of executions and runs that each led to the next: a longer chain is a loop (mesh proxies use 8 to 32). */
export const maxHops = 16;

/** The events of an execution's stream, in the shape of today. How earlier ones become that stands where the types are put together. */
export const executionEvents = {
  "execution.accepted": z.object({
    command: z.string(),
    args: keptJson,
    service: z.string(),
    agent: z.string(),
    route: routeDecision,
    /** Wall time in milliseconds by which there is an outcome. */
    deadline: z.number(),
    /** What whoever carries it out may do in the caller's name. */
    authority: z.object({
      principal: z.string(),
      operations: z.array(z.enum(["read", "write", "execute"])),
      clientType: z.string(),
      /** It began with a session's own token, which opens no other session. */
      isSessionToken: z.literal(true).optional(),
      /** What may not be asked for in its name either, as patterns of addresses. */
      denied: z.array(z.string()).optional(),
      /** What could be asked for at the door, one of each list. It does not bind what is done for it. */
      resources: z.array(z.array(z.string())).optional(),
      /** The capability that was shown for it, or for what it is done for: its links' ids, the root first. Absent where none was. */
      capabilities: z.array(z.string()).optional(),
    }),
    /** What an auditor asks first, before anything is done: of commands of high risk, and of those that a policy means. */
    audit: z
      .object({
        risk: z.enum(["low", "medium", "high"]),
        address: z.string(),
        /** The patterns of all policies that held. */
        policies: z.array(z.string()),
      })
      .optional(),
    /** It is not begun before a person has said so. */
    approval: z
      .object({
        approvalId: z.string(),
        title: z.string(),
        /** Wall time in milliseconds up to which it can be decided. */
        until: z.number(),
        /** How long it may take from then on, in milliseconds; absent where only `latest` bounds it. */
        workMs: z.number().optional(),
        /** Wall time in milliseconds after which it is too late in any case. */
        latest: z.number().optional(),
        /** Who may decide, by their principals; absent where everybody may whose token lets them. */
        approvers: z.array(z.string()).optional(),
        /** It is for one process, and no other may take it when it is approved. */
        isPinned: z.literal(true).optional(),
      })
      .optional(),
    maxAttempts: z.number().int(),
    depth: z.number().int(),
    parentId: z.string().optional(),
    /** Hash of what a repeat under the same idempotency key must equal. */
    bodyHash: z.string().optional(),
    /** Stream that equal tasks meet on. */
    joinKey: z.string().optional(),
    joinedTo: z.string().optional(),
    /** What it joined had ended by then: its result was remembered, and is this one's too. */
    remembered: z.literal(true).optional(),
    /** Where its outcome is sent to. */
    webhookUrl: z.string().optional(),
    /** Claimed by the process that accepted it, which begins it at once. */
    claim: claim.optional(),
    /** Claimed for the process that it was routed to, which begins it as soon as it hears of it. */
    assigned: claim.optional(),
  }),
  /** Follows the acceptance of what a person is to approve, in the same append: for whoever shows or sends that on. */
  "approval.requested": z.object({
    approvalId: z.string(),
    title: z.string(),
    command: z.string(),
    until: z.number(),
  }),
  /** A person has approved it: it may be begun, and has until `deadline`, wall time in milliseconds. */
  "execution.approved": z.object({
    approvalId: z.string(),
    by: z.string(),
    /** The capability that was shown for the decision: its links' ids, the root first. */
    capabilities: z.array(z.string()).optional(),
    reason: z.string().optional(),
    deadline: z.number(),
  }),
  "execution.claimed": claim.extend({ reason: z.string() }),
  /** Whoever had claimed it gave it back unfinished, in order: the attempt does not count. */
  "execution.released": z.object({
    processId: z.string(),
    reason: z.string(),
    /** Its process is about to stop, or runs the service no more: from now on any that runs it may claim it. */
    leaves: z.literal(true).optional(),
  }),
  /** The work it had joined ended without a result: it joins another, or does it itself. */
  "execution.rejoined": z.object({ joinedTo: z.string().optional(), reason: z.string() }),
  "execution.progressed": progress,
  "execution.completed": z.object({ result: keptJson, joinedTo: z.string().optional() }),
  "execution.failed": z.object({
    error: errorOnTheWire,
    joinedTo: z.string().optional(),
    /** A person has said no, and it was never begun. */
    rejected: z
      .object({
        approvalId: z.string(),
        by: z.string(),
        capabilities: z.array(z.string()).optional(),
        reason: z.string().optional(),
      })
      .optional(),
  }),
  "execution.cancelled": z.object({ by: z.string(), reason: z.string() }),
  "execution.timed_out": z.object({ deadline: z.number() }),
} as const;
export type ExecutionEventType = keyof typeof executionEvents;
export type ExecutionEventData<T extends ExecutionEventType> = z.infer<(typeof executionEvents)[T]>;

/** The events of a stream on which equal tasks meet. */
const sharer = z.object({ executionId: z.string() });
export const workEvents = { "work.started": sharer, "work.joined": sharer, "work.finished": sharer } as const;

/** An execution an event of which cannot be brought to the shape of today. Its events, as they are stored, say the rest. */
export const undecodableExecutionView = z.object({
  executionId: z.string(),
  sessionId: z.string().optional(),
  acceptedAt: z.string(),
  /** Which event, and why. */
  undecodable: z.string(),
});
export type UndecodableExecutionView = z.infer<typeof undecodableExecutionView>;

/** A page of executions, newest first. */
export const executionPage = z.object({
  executions: z.array(executionView),
  /** Those of the page that cannot be told whole, newest first; absent where there are none. */
  undecodable: z.array(undecodableExecutionView).optional(),
  next: z.string().optional(),
});
export type ExecutionPage = z.infer<typeof executionPage>;
