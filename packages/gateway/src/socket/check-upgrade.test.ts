// Who is refused before any token is looked at.
import { describe, expect, test } from "vitest";
import { checkUpgrade } from "./check-upgrade.ts";

const offered = (token: string) => ({
  host: "gateway.test:4100",
  "sec-websocket-protocol": `viable.v1, bearer.${token}`,
});
const codeOf = (url: string, headers: Record<string, string>) => {
  const check = checkUpgrade(url, headers);
  return check.ok ? `token ${check.token}` : check.problem.code;
};

test("the token is the header's, or else the second subprotocol's", () => {
  expect(codeOf("/v1/socket", offered("a.b"))).toBe("token a.b");
  expect(codeOf("/v1/socket?x=1", { ...offered("a.b"), authorization: "Bearer c" })).toBe("token c");
  expect(codeOf("/v1/socket", { "sec-websocket-protocol": "viable.v1" })).toBe("gateway.unauthenticated");
  expect(codeOf("/v1/socket", { ...offered("a.b"), authorization: "Digest c" })).toBe("gateway.unauthenticated");
  expect(codeOf("/v1/socket", { authorization: "Bearer c" })).toBe("gateway.subprotocol_needed");
});

describe("an origin", () => {
  test.each([
    ["http://gateway.test:4100", "token t"],
    ["https://gateway.test:4100", "token t"],
    ["http://GATEWAY.test:4100", "token t"],
    ["http://gateway.test", "gateway.foreign_origin"],
    ["http://gateway.test:4100.evil.test", "gateway.foreign_origin"],
    ["http://evil.test", "gateway.foreign_origin"],
    ["null", "gateway.foreign_origin"],
    ["", "gateway.foreign_origin"],
  ])("of %s", (origin, expected) => {
    expect(codeOf("/v1/socket", { ...offered("t"), origin })).toBe(expected);
  });

  test("does not matter to whoever can set a header, which no page can", () => {
    expect(codeOf("/v1/socket", { ...offered("t"), authorization: "Bearer c", origin: "http://evil.test" })).toBe(
      "token c",
    );
  });
});

test.each(["/", "/v1/socket/", "/v1/sockets", "//v1/socket", "/V1/socket", ""])("nothing is opened at %s", (url) => {
  expect(codeOf(url, offered("t"))).toBe("gateway.no_route");
});
