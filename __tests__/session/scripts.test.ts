import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { createMemory } from "../../src/connection/memory/memory.ts";
import type { Argument, Script } from "../../src/connection/script.ts";
import { claimScript, joinScript, swapScript, takeScript } from "../../src/session/guard/fence.ts";
import { saveScript } from "../../src/session/records/save.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const TTL = 60_000;
const ids = fc.constantFrom("a", "b", "c", "d", "", "é:*");

/** Runs both halves of a script. */
async function both<Reply>(
  script: Script<Reply>,
  memory: ReturnType<typeof createMemory>,
  args: readonly Argument[],
): Promise<{ lua: Reply; twin: Reply }> {
  const lua = script.parse(await redis.client.eval(script.lua, 1, "key", ...args));
  return { lua, twin: await memory.run(script, "key", args) };
}

describe("the Lua and the TypeScript of a script answer and leave the same", () => {
  it("claim, join, swap and take, in any order, on any members", async () => {
    const step = fc.oneof(
      fc.tuple(fc.constant("claim" as const), ids, ids),
      fc.tuple(fc.constant("swap" as const), ids, ids),
      fc.tuple(fc.constant("leave" as const), ids, ids),
      fc.tuple(fc.constant("take" as const), fc.option(ids), ids),
      fc.tuple(
        fc.constant("join" as const),
        ids,
        fc.record({ most: fc.nat(3), stale: fc.array(ids), victims: fc.array(ids) }),
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        await redis.client.flushall();
        const memory = createMemory();
        for (const [what, one, other] of steps) {
          if (what === "join") {
            const { most, stale, victims } = other;
            const args = [one, TTL, most, stale.length, ...stale, ...victims];
            const { lua, twin } = await both(joinScript, memory, args);
            expect(lua).toEqual(twin);
          } else if (what === "take") {
            const { lua, twin } = await both(takeScript, memory, one === null ? [] : [one]);
            expect(lua?.toSorted()).toEqual(twin?.toSorted());
          } else if (what === "claim") {
            const { lua, twin } = await both(claimScript, memory, [one, TTL]);
            expect(lua.toSorted()).toEqual(twin.toSorted());
          } else if (what === "swap") {
            const { lua, twin } = await both(swapScript, memory, [one, other, TTL]);
            expect(lua).toBe(twin);
          } else {
            const left = (await redis.client.srem("key", one)) === 1;
            expect(await memory.srem("key", one)).toBe(left);
          }
          const members = await redis.client.smembers("key");
          expect((await memory.smembers("key")).toSorted()).toEqual(members.toSorted());
          // -1 is a key without a time to live.
          expect(await redis.client.pttl("key")).not.toBe(-1);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("save, over what was loaded, over something else, and over nothing", async () => {
    const texts = fc.constantFrom("", "one", "two", '{"a":"é"}');
    await fc.assert(
      fc.asyncProperty(fc.option(texts), texts, texts, async (held, loaded, text) => {
        await redis.client.flushall();
        const memory = createMemory();
        if (held !== null) {
          await redis.client.set("key", held, "PX", TTL);
          await memory.set("key", held, { ttl: TTL });
        }
        const sha = createHash("sha1").update(loaded).digest("hex");
        const { lua, twin } = await both(saveScript, memory, [sha, text, TTL]);
        expect(lua).toBe(twin);
        expect(await memory.get("key")).toBe(await redis.client.get("key"));
        expect(await redis.client.pttl("key")).not.toBe(-1);
      }),
      { numRuns: 150 },
    );
  });
});
