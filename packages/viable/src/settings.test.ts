// What the environment may set, and that a variable which is there but empty sets nothing: that is how shells, service files and
// containers write "not set".
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { defineSystem } from "./define-system.ts";
import { readClientSettings, readSettings } from "./settings.ts";

afterEach(() => {
  vi.unstubAllEnvs();
});

const system = defineSystem({
  name: "s",
  services: [],
  gateway: { host: "127.0.0.2", port: 4300 },
  limits: { threads: 3 },
});
const configFile = resolve("somewhere", "viable.config.ts");
const read = (environment: Record<string, string>) => readSettings(system, configFile, environment);

const ofTheConfig = {
  stateDir: join(resolve("somewhere"), ".viable"),
  databaseUrl: undefined,
  natsUrl: undefined,
  natsCreds: undefined,
  hosting: { roles: ["gateway", "swarm"], services: [], apart: [] },
  cacheDir: join(homedir(), ".cache", "viable"),
  host: "127.0.0.2",
  port: 4300,
  threads: 3,
  sockets: 4_000,
  servicePorts: "declared",
};

test("without variables the config holds", () => {
  expect(read({})).toEqual(ofTheConfig);
});

test("each variable overrides its setting and no other", () => {
  expect(read({ VIABLE_STATE_DIR: "/state" })).toEqual({ ...ofTheConfig, stateDir: resolve("/state") });
  expect(read({ XDG_CACHE_HOME: "/cache" })).toEqual({ ...ofTheConfig, cacheDir: join("/cache", "viable") });
  expect(read({ DATABASE_URL: "postgres://h/d" })).toEqual({ ...ofTheConfig, databaseUrl: "postgres://h/d" });
  expect(read({ NATS_URL: "nats://h:4222" })).toEqual({ ...ofTheConfig, natsUrl: "nats://h:4222" });
  expect(read({ NATS_CREDS: "/run/nats.creds" })).toEqual({ ...ofTheConfig, natsCreds: "/run/nats.creds" });
  expect(read({ VIABLE_SEALS_FILE: "/mnt/seals.jsonl" })).toEqual({
    ...ofTheConfig,
    sealsFile: resolve("/mnt/seals.jsonl"),
  });
  expect(read({ VIABLE_SECRET_KEY: "c2VjcmV0" })).toEqual({ ...ofTheConfig, secretKey: "c2VjcmV0" });
  expect(read({ VIABLE_SECRET_LOST: "yes" })).toEqual({ ...ofTheConfig, secretLost: true });
  expect(read({ VIABLE_HOST: "0.0.0.0" })).toEqual({ ...ofTheConfig, host: "0.0.0.0" });
  expect(read({ VIABLE_PORT: "0" })).toEqual({ ...ofTheConfig, port: 0 });
  expect(read({ VIABLE_THREADS: "7" })).toEqual({ ...ofTheConfig, threads: 7 });
  expect(read({ VIABLE_SOCKETS: "12000" })).toEqual({ ...ofTheConfig, sockets: 12_000 });
  expect(read({ VIABLE_SERVICE_PORTS: "any" })).toEqual({ ...ofTheConfig, servicePorts: "any" });
});

describe("what is kept for all systems of a user", () => {
  test.each(["", "caches", "./caches"])(
    "is not kept in the folder one happens to stand in: XDG_CACHE_HOME=%s",
    (named) => {
      expect(read({ XDG_CACHE_HOME: named })).toEqual(ofTheConfig);
    },
  );

  test.each(["", "home"])("is kept nowhere without a home folder: HOME=%s", (home) => {
    vi.stubEnv("HOME", home);
    vi.stubEnv("USERPROFILE", home);
    expect(read({})).toEqual({ ...ofTheConfig, cacheDir: undefined });
    expect(read({ XDG_CACHE_HOME: "/cache" })).toMatchObject({ cacheDir: join("/cache", "viable") });
  });
});

describe("a variable that is empty is not set", () => {
  // Otherwise an empty host listens on every address of the machine, and an empty folder is the one we happen to be in.
  test.each([
    "VIABLE_STATE_DIR",
    "DATABASE_URL",
    "NATS_URL",
    "NATS_CREDS",
    "VIABLE_ONLY",
    "VIABLE_ROLES",
    "VIABLE_SEALS_FILE",
    "VIABLE_HOST",
    "VIABLE_PORT",
    "VIABLE_THREADS",
    "VIABLE_SOCKETS",
    "VIABLE_SERVICE_PORTS",
  ])("%s", (name) => {
    expect(read({ [name]: "" })).toEqual(ofTheConfig);
  });

  test.each(["VIABLE_URL", "VIABLE_TOKEN", "VIABLE_STATE_DIR"])("%s, for the command line", (name) => {
    expect(readClientSettings({ [name]: "" })).toEqual({
      logInsFile: join(homedir(), ".config", "viable", "log-ins.json"),
      url: undefined,
      token: undefined,
      stateDir: undefined,
    });
  });
});

test.each([
  ["VIABLE_PORT", "65536"],
  ["VIABLE_PORT", "a"],
  ["VIABLE_THREADS", "0"],
  ["VIABLE_SOCKETS", "0"],
  ["VIABLE_SOCKETS", "100001"],
  ["VIABLE_SERVICE_PORTS", "some"],
])("%s=%s is refused by its name", (name, value) => {
  expect(() => read({ [name]: value })).toThrow(
    expect.objectContaining({ code: "config.invalid", message: expect.stringContaining(name) }),
  );
});
