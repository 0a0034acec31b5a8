import type { EventType } from "@viable/log";
import { eventType } from "@viable/log";
import { credentialEvents, userEvents } from "@viable/protocol";

/** What is written of users, and of the credentials of providers: who did what, and never a secret. */
export const userEventTypes: readonly EventType[] = [
  ...Object.entries(userEvents),
  ...Object.entries(credentialEvents),
].map(([type, schema]) => eventType(type, schema));
