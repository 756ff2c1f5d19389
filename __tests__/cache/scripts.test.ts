import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { leadScript, readLock, releaseScript } from "../../src/cache/store/lock.ts";
import {
  expireScript,
  expiryStamp,
  extendScript,
  fillScript,
  freshVersion,
  versionOf,
  versionScript,
} from "../../src/cache/store/version.ts";
import type { Argument, Script } from "../../src/connection/script.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { createTwins, type Twins } from "../support/twins.ts";

const KEY = "cache:x";
const VERSIONS = [freshVersion(), freshVersion(), freshVersion()];

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

/** One step of a history: a script with its arguments, or a key that goes or is spoilt. */
type Step =
  | { readonly script: Script<unknown>; readonly args: Argument[] }
  | { readonly write: string | null };

const ttl = fc.integer({ min: 1000, max: 100_000 });
const version = fc.constantFrom(...VERSIONS);
const bytes = fc.constantFrom<Argument>(',"a":1}\n', Buffer.from([44, 125, 10, 0, 255, 128]));
const stamp = fc.integer({ min: 1, max: 2 ** 41 }).map(expiryStamp);
const id = fc.constantFrom("one", "two");

const versionStep: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(version, ttl).map((args) => ({ script: versionScript, args })),
  ttl.map((only) => ({ script: extendScript as Script<unknown>, args: [only] })),
  stamp.map((only) => ({ script: expireScript, args: [only] })),
  fc.tuple(version, bytes, ttl).map((args) => ({ script: fillScript, args })),
  fc.constantFrom({ write: null }, { write: "spoilt" }),
);
const lockStep: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(id, version, ttl).map((args) => ({ script: leadScript, args })),
  fc.tuple(id, fc.constantFrom(0, 1000)).map((args) => ({
    script: releaseScript as Script<unknown>,
    args,
  })),
  fc.constantFrom({ write: null }, { write: "spoilt" }),
);

async function expectTwins(twins: Twins & ReturnType<typeof createTwins>, step: Step) {
  if ("script" in step) {
    const { lua, twin } = await twins.run(step.script, KEY, step.args);
    expect(lua).toEqual(twin);
  } else if (step.write === null) {
    await server.client.del(KEY);
    await twins.memory.del(KEY);
  } else {
    await server.client.set(KEY, step.write, "PX", 7_200_000);
    await twins.memory.set(KEY, step.write, { ttl: 3_600_000 });
  }
  const { lua, twin } = await twins.look(KEY);
  expect(lua.value).toBe(twin.value);
  if (twin.value !== null) expect(Math.abs(lua.ttl - twin.ttl)).toBeLessThan(5000);
}

describe("the cache's scripts", () => {
  it.each<[string, fc.Arbitrary<Step>]>([
    ["versions", versionStep],
    ["locks", lockStep],
  ])("%s: Lua answers and keeps what TypeScript does", async (_name, step) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
        await server.client.del(KEY);
        const twins = createTwins(server.client);
        // eslint-disable-next-line no-await-in-loop -- a history
        for (const each of steps) await expectTwins(twins, each);
      }),
      { numRuns: 100 },
    );
  });

  it("keep the bytes of an entry as they are, behind the version that stands", async () => {
    const twins = createTwins(server.client);
    const [held] = VERSIONS as [string];
    const body = Buffer.from([44, 125, 10, 0, 255, 128, 195]);
    await server.client.del(KEY);
    await twins.run(versionScript, KEY, [held, 60_000]);
    await twins.run(fillScript, KEY, [held, body, 60_000]);
    await twins.run(expireScript, KEY, [expiryStamp(12_345)]);
    const now = `${held.slice(0, 17)}0000000012345`;
    const expected = Buffer.concat([Buffer.from(`{"version":"${now}"`), body]);
    expect(await server.client.getBuffer(KEY)).toEqual(expected);
    expect(await twins.memory.getBytes(KEY)).toEqual(expected);
    expect(versionOf(expected)).toBe(now);
  });
});

describe("a lock's value", () => {
  it.each([
    [null, "free"],
    ["", "free"],
    ["spoilt", "free"],
    ["id other versions", "free"],
    ["id a b", "led"],
    ["refused a b", "refused"],
  ])("%j says %s", (value, said) => {
    expect(readLock(value, "a b")).toBe(said);
  });
});
