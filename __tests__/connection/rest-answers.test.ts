import { inspect } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { serverSaid } from "../../src/connection/diagnosis.ts";
import { rejection } from "../support/connections.ts";
import { openRestChannel } from "../support/rest-channel.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { type RestEmulator, startRestEmulator } from "../support/rest-emulator.ts";

let server: RedisServer;
let emulator: RestEmulator;

beforeAll(async () => {
  server = await startRedis();
  emulator = await startRestEmulator({ socketPath: server.socketPath, longestRequest: 10_000 });
});
beforeEach(async () => {
  emulator.heal();
  await server.client.flushall();
});
afterAll(async () => {
  await emulator.stop();
  await server.stop();
});

async function open() {
  const watched = openRestChannel(emulator.url);
  await watched.channel.ready();
  return watched;
}

/** The next answer, with status 200 unless told. */
function answerWith(body: string, status = 200): void {
  emulator.fail({ kind: "answer", status, body, when: "after" }, 1);
}

describe("what a server says about a command", () => {
  it("is in the error, whose cause keeps the code", async () => {
    await server.client.sadd("set", "a");
    const { channel } = await open();
    const error = await rejection(channel.send(["GET", "set"]));
    expect(error).toMatchObject({ code: "REDIS_COMMAND_FAILED", outcome: "maybeExecuted" });
    expect(error.message).toContain("WRONGTYPE");
    expect(serverSaid(error, "WRONGTYPE")).toBe(true);
  });

  it("is repeated without the key and the arguments that it quotes", async () => {
    const { channel } = await open();
    const key = "user:s3cret-key";
    const argument = `s3cret-argument-${"x".repeat(200)}`;
    const failures = [
      await rejection(channel.send(["NOSUCH", key, argument])),
      await rejection(
        channel.send(["EVAL", `return redis.error_reply(ARGV[1])`, 1, key, argument]),
      ),
      await rejection(
        channel.send(["EVAL", `return redis.call('NOSUCH', ARGV[1])`, 1, key, argument]),
      ),
    ];
    answerWith(`[{"error":"ERR unknown key ${key}, command was: [\\"GET\\",\\"${argument}\\"]"}]`);
    failures.push(await rejection(channel.send(["GET", key])));
    answerWith(`{"error":"ERR failed to parse ${argument}"}`, 400);
    failures.push(await rejection(channel.send(["SET", key, argument])));
    for (const error of failures) {
      expect(error.code).toBe("REDIS_COMMAND_FAILED");
      expect(error.message).toMatch(/ERR/);
      expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/s3cret/);
    }
  });

  it("keeps its code, whatever the arguments are", async () => {
    const { channel } = await open();
    const error = await rejection(
      channel.send(["EVALSHA", "0".repeat(40), 1, "NOSCRIPT", "matching"]),
    );
    expect(serverSaid(error, "NOSCRIPT")).toBe(true);
  });

  it("is about the plan's limits: the command did not run, and the fix is in the console", async () => {
    const { channel } = await open();
    const errors = await Promise.all([
      rejection(channel.send(["SET", "k", "x".repeat(20_000)])),
      rejection(channel.send(["INCR", "n"])),
    ]);
    for (const error of errors) {
      expect(error).toMatchObject({ code: "REDIS_COMMAND_FAILED", outcome: "notSent" });
      expect(error.fix).toContain("console");
    }
    expect(channel.state().state).toBe("ready");
  });

  it("is no outage, even at the start", async () => {
    answerWith(`[{"error":"NOPERM this user has no permissions to run the 'ping' command"}]`);
    const { channel, errors } = openRestChannel(emulator.url);
    await channel.ready();
    expect(channel.state()).toMatchObject({ state: "ready", problem: undefined });
    expect(errors).toEqual([]);
  });

  it("is about rights: the command did not run", async () => {
    const { channel } = await open();
    answerWith(`[{"error":"NOPERM this user has no permissions to run the 'set' command"}]`);
    const error = await rejection(channel.send(["SET", "k", "v"]));
    expect(error).toMatchObject({ code: "REDIS_COMMAND_FAILED", outcome: "notSent" });
    expect(error.message).toContain("'set'");
  });
});

describe("an answer that is not Upstash's", () => {
  it.each([
    ["a page", "<html><body>Please sign in</body></html>", /no JSON/],
    ["nothing", "", /no JSON/],
    ["half of one", '[{"result":"T', /no JSON/],
    ["null", "null", /no array/],
    ["text", '"OK"', /no array/],
    ["one result to no array", '{"result":"OK"}', /no array/],
    ["too few results", "[]", /0 results to 1 commands/],
    ["too many results", '[{"result":1},{"result":2}]', /2 results to 1 commands/],
    ["no results", "[null]", /neither a result nor an error/],
    ["empty results", "[{}]", /neither a result nor an error/],
    ["text without base64", '[{"result":"plain text"}]', /Upstash-Encoding/],
    ["a deeper text without base64", '[{"result":[[1,"{}"]]}]', /Upstash-Encoding/],
  ])("%s: whether the command ran is not known", async (_what, body, why) => {
    const { channel } = await open();
    answerWith(body);
    const error = await rejection(channel.send(["INCR", "n"]));
    expect(error).toMatchObject({
      code: "REDIS_UNAVAILABLE",
      outcome: "maybeExecuted",
      status: 503,
    });
    expect(error.message).toMatch(why);
    expect(error.message).not.toContain("sign in");
    expect(await server.client.get("n")).toBe("1");
  });

  it("is found out at the start, where it would look like base64 later", async () => {
    answerWith('[{"result":"PONG"}]');
    const { channel } = openRestChannel(emulator.url);
    const error = await rejection(channel.ready());
    expect(error).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome: "notSent" });
    expect(error.message).toContain("base64");
  });

  it("from a server that speaks no HTTP at all is no success", async () => {
    const tcp = await startRedis({ tcp: true });
    const { channel } = openRestChannel(tcp.url.replace("redis:", "http:"));
    const error = await rejection(channel.ready());
    expect(error.code).toBe("REDIS_UNAVAILABLE");
    await channel.close();
    await tcp.stop();
  });
});

describe("replies", () => {
  it("are numbers, null, text and arrays, however deep", async () => {
    const { channel } = await open();
    const lua = "return {1, false, 'é', {ARGV[1], {2, 'OK'}}, {}}";
    const reply = await channel.send(["EVAL", lua, 0, "a"]);
    expect(reply).toEqual([1, null, "é", ["a", [2, "OK"]], []]);
  });

  it("are bytes where bytes are asked for", async () => {
    const { channel } = await open();
    const reply = await channel.send(["EVAL", "return {'a', {'\\255'}, 3}", 0], { bytes: true });
    expect(reply).toEqual([Buffer.from("a"), [Buffer.from([255])], 3]);
  });

  it.each([true, false])(
    "read OK as a value, whether it comes plain (%s) or not",
    async (plain) => {
      emulator.leavesEveryOkPlain = plain;
      const { channel } = await open();
      expect(await channel.send(["SET", "k", "OK", "PX", 60_000])).toBe("OK");
      expect(await channel.send(["GET", "k"])).toBe("OK");
      expect(await channel.send(["GET", "k"], { bytes: true })).toEqual(Buffer.from("OK"));
      emulator.leavesEveryOkPlain = true;
    },
  );
});
