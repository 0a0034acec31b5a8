// Addresses and what stands in them, and that no refusal repeats a password.
import { describe, expect, test } from "vitest";
import { readServers } from "./credentials.ts";

describe("readServers", () => {
  test.each([
    ["nats://one:4000", "one:4000"],
    ["one:4000", "one:4000"],
    ["one", "one:4222"],
    ["nats://10.0.0.1", "10.0.0.1:4222"],
    ["nats://[::1]:4000", "[::1]:4000"],
    ["tls://one", "one:4222"],
  ])("reads %s", (server, address) => {
    expect(readServers([server], {}).addresses).toEqual([address]);
  });

  test("reads user and password, or a token, of one address for all", () => {
    expect(readServers(["nats://ann:p%40%3Ass@one", "nats://two"], {})).toMatchObject({
      addresses: ["one:4222", "two:4222"],
      user: "ann",
      pass: "p@:ss",
      token: undefined,
    });
    expect(readServers(["nats://s3cret@one"], {})).toMatchObject({ user: undefined, pass: undefined, token: "s3cret" });
  });

  test("speaks TLS where an address says so, or it is given certificates", () => {
    expect(readServers(["one"], {}).tls).toBeUndefined();
    expect(readServers(["tls://one", "two"], {}).tls).toEqual({});
    expect(readServers(["one"], { tls: { ca: "PEM" } }).tls).toEqual({ ca: "PEM" });
  });

  test.each([
    ["none", [], {}],
    ["an empty one", [""], {}],
    ["another protocol", ["https://one"], {}],
    ["a port that is none", ["nats://ann:s3cret@one:99999"], {}],
    ["two credentials", ["nats://ann:s3cret@one", "nats://bob:s3cret@two"], {}],
    ["a % that begins nothing", ["nats://ann:s3cret%zz@one"], {}],
    ["credentials twice", ["nats://ann:s3cret@one"], { creds: "x" }],
    ["a creds file that is none", ["one"], { creds: "s3cret" }],
  ])("refuses %s", (_what, servers, options) => {
    const refused = (): unknown => {
      try {
        return readServers(servers, options);
      } catch (error) {
        return error;
      }
    };
    expect(refused()).toMatchObject({ code: "bus.invalid_servers" });
    expect(String(refused())).not.toContain("s3cret");
  });
});
