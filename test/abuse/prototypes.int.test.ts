/**
 * Names that every object has, sent wherever a name is taken: nobody's prototype changes, what is asked for by such a name is not found, and what is
 * kept under one comes back as it was; but for `__proto__` as a member of arguments, which is left out.
 */
import { expect, test } from "vitest";
import { startGateway } from "./attacked-gateway.ts";

const names = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "__defineGetter__", "valueOf"];

test("names that every object has are names like any other", async () => {
  await using gateway = await startGateway({ store: "pglite" });
  const { sessionId, token } = await gateway.client.openSession({ clientType: "api" });
  const call = async (method: string, path: string, body?: string) => {
    const response = await fetch(gateway.url + path, {
      method,
      headers: { authorization: `Bearer ${gateway.owner}` },
      ...(body !== undefined && { body }),
    });
    return { status: response.status, text: await response.text() };
  };
  const command = (body: string) => call("POST", `/v1/sessions/${sessionId}/commands`, body);
  for (const name of names) {
    const polluted = `{"${name}":{"admin":true,"status":"polluted"},"n":1}`;
    const echoed = await command(`{"command":"echo","mode":"sync","args":${polluted}}`);
    expect(echoed.status, name).toBe(200);
    const kept = name === "__proto__" ? '"n":1' : `"${name}":{"admin":true,"status":"polluted"}`;
    expect(echoed.text, name).toContain(kept);
    expect(JSON.parse(echoed.text)).toMatchObject({ status: "completed", result: { n: 1 } });
    // Beside what the protocol has a member is refused, whatever it is called.
    expect((await command(`{"command":"echo","${name}":{"mode":"sync"}}`)).status, name).toBe(422);
    expect((await command(`{"command":"${name}","mode":"sync"}`)).status, name).toBe(404);
    for (const [place, key] of [
      [name, "k"],
      ["n", name],
    ])
      expect(
        await command(
          `{"command":"memory.set","mode":"sync","args":{"namespace":"${place}","key":"${key}","value":${polluted}}}`,
        ),
      ).toMatchObject({ status: 200, text: expect.stringContaining('"completed"') });
    expect((await call("GET", `/v1/memory?namespace=${name}&key=k`)).text, name).toContain(kept);
    for (const path of [
      `/v1/swarms/${name}`,
      `/v1/swarms/${name}/history`,
      `/v1/users/${name}`,
      `/v1/reactors/runs/${name}`,
      `/v1/sessions/${name}`,
      `/v1/capabilities/${name}`,
    ])
      expect((await call("GET", path)).status, path).toBe(404);
    for (const path of ["executions", "events", "sessions", "registry/discover?capability=echo", "approvals"]) {
      const query = `${path.includes("?") ? "&" : "?"}${name}=1&${name}[admin]=true&${name}.admin=true`;
      expect((await call("GET", `/v1/${path}${query}`)).status, path).toBeLessThan(500);
    }
    expect((await call("POST", "/v1/login", `{"user":"${name}","password":"p","tenant":"${name}"}`)).status).toSatisfy(
      (status) => [401, 422, 429].includes(status as number),
    );
  }
  // Who has less is not made more by it.
  const own = await fetch(`${gateway.url}/v1/users`, { headers: { authorization: `Bearer ${token}` } });
  expect(own.status).toBe(403);
  expect((await gateway.look()).polluted).toEqual([]);
  await gateway.expectServes();
});
