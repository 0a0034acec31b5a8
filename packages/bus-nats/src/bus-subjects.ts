import { createHash } from "node:crypto";
import { checkSubject, invalidSubject } from "@viable/bus";

/** Longer than a system's name need be, and short beside the 4,096 characters that NATS takes for subject, inbox and group together. */
const maxPrefixChars = 100;

/** Where on a NATS the messages of one system are. All of it is under one prefix, so that one permission covers it. */
export interface BusSubjects {
  /** Of messages: a subject or a pattern as NATS knows it. */
  toMessages(subject: string): string;
  /** The subject as the bus knows it. */
  fromMessages(subject: string): string;
  /** The queue group of a pattern's group. */
  toQueue(pattern: string, group: string): string;
  /** All answers to this bus. */
  readonly inbox: string;
  toInbox(token: string): string;
  /** The token of what came to the inbox. */
  fromInbox(subject: string): string;
  /** Whether answers may be sent there: to the inbox of a bus of this system, and nowhere else that a sender names. */
  isInbox(subject: string): boolean;
  readonly presence: string;
}

/** Throws `bus.invalid_subject` where the prefix cannot be one. */
export function createBusSubjects(prefix: string, busId: string): BusSubjects {
  checkSubject(prefix);
  if (prefix.length > maxPrefixChars) throw invalidSubject(prefix, `it is longer than ${maxPrefixChars} characters`);
  const messages = `${prefix}.m.`;
  const inboxes = `${prefix}.r.`;
  const own = `${inboxes}${busId}.`;
  return {
    toMessages: (subject) => messages + subject,
    fromMessages: (subject) => subject.slice(messages.length),
    // NATS knows a queue group by its name alone: over two patterns that match, one name would get one copy where the port promises two. A
    // digest is as short as a line of the protocol needs, whatever the group is called. A space stands in no pattern.
    toQueue: (pattern, group) => createHash("sha256").update(`${pattern} ${group}`).digest("hex").slice(0, 32),
    inbox: `${own}*`,
    toInbox: (token) => own + token,
    fromInbox: (subject) => subject.slice(own.length),
    isInbox: (subject) => subject.startsWith(inboxes),
    presence: `${prefix}.p`,
  };
}
