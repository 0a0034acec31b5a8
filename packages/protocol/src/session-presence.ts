import { z } from "zod";

/** Clients that are named of those who follow a session: more than a screen shows. */
export const maxNamedClients = 100;

/** Somebody who follows a session, as their token says: `cli`, `web`, `api` or `owner`. */
const presentClient = z.object({
  clientType: z.string(),
  principal: z.string(),
  since: z.string(),
  /** Over a socket, or by server-sent events. */
  via: z.enum(["socket", "events"]),
});
export type PresentClient = z.infer<typeof presentClient>;

/** Who follows a session: `count` in all, of whom the first are named. */
export const sessionPresence = z.object({
  count: z.number().int().min(0),
  clients: z.array(presentClient).max(maxNamedClients),
});
export type SessionPresenceView = z.infer<typeof sessionPresence>;
