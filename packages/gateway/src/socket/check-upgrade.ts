import type { IncomingHttpHeaders } from "node:http";
import { socketProtocol, socketTokenPrefix } from "@viable/protocol";
import type { ProblemParts } from "../problems.ts";
import { unauthenticated } from "../problems.ts";

export const socketPath = "/v1/socket";

/** The answer to whoever asks for a socket and does not want one. */
export const upgradeNeeded: ProblemParts = {
  status: 426,
  code: "gateway.upgrade_needed",
  detail: "A WebSocket is opened here.",
  next: `Open it with the subprotocol ${socketProtocol}.`,
  headers: { upgrade: "websocket", connection: "upgrade" },
};

export type UpgradeCheck =
  | { readonly ok: true; readonly token: string }
  | { readonly ok: false; readonly problem: ProblemParts };

/** Whether a socket may be opened as it is asked for, and with which token. Whether that is worth something is asked after this. */
export function checkUpgrade(url: string, headers: IncomingHttpHeaders): UpgradeCheck {
  if (url.split("?", 1)[0] !== socketPath) {
    return refused({ status: 404, code: "gateway.no_route", detail: `No socket is opened but at ${socketPath}.` });
  }
  const { authorization, origin, host } = headers;
  // Browsers let no page set this header, so whoever sends it is no page of somebody else's.
  if (authorization === undefined && origin !== undefined && hostOf(origin) !== host?.toLowerCase()) {
    return refused({
      status: 403,
      code: "gateway.foreign_origin",
      detail: "Pages of other origins open no sockets here.",
      next: "Open it from a page of the gateway's own host, or outside of a browser with an Authorization header.",
    });
  }
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
  const token =
    authorization === undefined
      ? offered.find((name) => name.startsWith(socketTokenPrefix))?.slice(socketTokenPrefix.length)
      : bearerOf(authorization);
  if (token === undefined) return refused(unauthenticated().parts);
  if (!offered.includes(socketProtocol)) {
    return refused({
      status: 400,
      code: "gateway.subprotocol_needed",
      detail: `The subprotocol ${socketProtocol} is not among those that were offered.`,
      next: `Offer ${socketProtocol}: what is said on the socket depends on it.`,
    });
  }
  return { ok: true, token };
}

const refused = (problem: ProblemParts): UpgradeCheck => ({ ok: false, problem });

const bearerOf = (authorization: string): string | undefined =>
  authorization.startsWith("Bearer ") ? authorization.slice("Bearer ".length) : undefined;

/** The host and port of an origin; undefined of one that is opaque or no origin. */
function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    return undefined;
  }
}
