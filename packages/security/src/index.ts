export type { Authorization, AuthorizationRequest } from "./authorize.ts";
export { authorize } from "./authorize.ts";
export type { ClientLimits, Grant } from "./grant.ts";
export { attenuate, baseClientLimits } from "./grant.ts";
export { mintOwnerToken } from "./owner-token.ts";
export type { LookupsFull, MintedToken, TokenSource, Tokens } from "./tokens.ts";
export { createTokens } from "./tokens.ts";
