import { inspect } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { CredentialsProvider, CredentialsReason } from "../../src/config/credentials.ts";
import { createCredentialSource } from "../../src/connection/credentials.ts";
import { rejection } from "../support/connections.ts";
import { openRestChannel } from "../support/rest-channel.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { type RestEmulator, startRestEmulator } from "../support/rest-emulator.ts";

let server: RedisServer;
let emulator: RestEmulator;

beforeAll(async () => {
  server = await startRedis();
  emulator = await startRestEmulator({ socketPath: server.socketPath });
});
beforeEach(async () => {
  emulator.heal();
  emulator.tokens.clear();
  emulator.tokens.add("token");
  await server.client.flushall();
});
afterAll(async () => {
  await emulator.stop();
  await server.stop();
});

/** The tokens of all requests since `from`. */
function tokensFrom(from: number): (string | undefined)[] {
  return emulator.requests.slice(from).map(({ headers }) => headers.authorization?.slice(7));
}

/** A channel whose tokens a provider gives, and why it was asked. */
function openWith(provider: CredentialsProvider) {
  const reasons: CredentialsReason[] = [];
  const source = createCredentialSource(
    (request) => {
      reasons.push(request.reason);
      return provider(request);
    },
    undefined,
    1000,
  );
  const plan = { token: undefined, credentials: source };
  return { ...openRestChannel(emulator.url, plan), reasons };
}

describe("a token that is fixed", () => {
  it("goes with every request, and nowhere else", async () => {
    const { channel } = openRestChannel(emulator.url);
    await channel.send(["SET", "k", "v"]);
    const { headers, path, commands } = emulator.requests.at(-1)!;
    expect(headers.authorization).toBe("Bearer token");
    expect(JSON.stringify([path, commands])).not.toContain("token");
  });

  it("is said to be wrong when it is, with the fix; nothing ran", async () => {
    const { channel, errors } = openRestChannel(emulator.url, { token: "s3cret-wrong" });
    const error = await rejection(channel.send(["INCR", "n"]));
    expect(error).toMatchObject({ code: "REDIS_AUTH_FAILED", outcome: "notSent", status: 503 });
    expect(error.fix).toContain("UPSTASH_REDIS_REST_TOKEN");
    expect(await rejection(channel.ready())).toMatchObject({ code: "REDIS_AUTH_FAILED" });
    expect(errors.map(({ code }) => code)).toEqual(["REDIS_AUTH_FAILED"]);
    expect(channel.state()).toMatchObject({ state: "connecting", problem: errors[0] });
    expect(await server.client.exists("n")).toBe(0);
  });

  it("is not tried again and again: commands fail without a request", async () => {
    const { channel } = openRestChannel(emulator.url, { token: "wrong" });
    await rejection(channel.ready());
    const before = emulator.requests.length;
    for (let n = 0; n < 20; n += 1) {
      expect((await rejection(channel.send(["INCR", "n"]))).code).toBe("REDIS_AUTH_FAILED");
    }
    expect(emulator.requests.length - before).toBeLessThanOrEqual(1);
  });

  it("recovers by itself once the server takes it", async () => {
    const { channel } = openRestChannel(emulator.url, { token: "later" });
    await rejection(channel.ready());
    emulator.tokens.add("later");
    await until(() => channel.state().state === "ready", "the token was tried again");
    expect(await channel.send(["INCR", "n"])).toBe(1);
  });

  it.each(["", "two words", "line\nbreak", "tökén"])(
    "is refused as %j before it is sent",
    async (token) => {
      const before = emulator.requests.length;
      const { channel } = openRestChannel(emulator.url, { token });
      const error = await rejection(channel.send(["PING"]));
      expect(error).toMatchObject({ code: "REDIS_AUTH_FAILED", outcome: "notSent" });
      expect(emulator.requests).toHaveLength(before);
    },
  );

  it("stands in no error, cause or state, nor in the channel itself", async () => {
    emulator.tokens.add("s3cret");
    const { channel, errors, states } = openRestChannel(emulator.url, { token: "s3cret" });
    await channel.ready();
    emulator.fail(
      { kind: "answer", status: 200, body: '[{"error":"ERR Bearer s3cret is odd"}]' },
      1,
    );
    emulator.fail({ kind: "close", when: "after" }, 1);
    emulator.fail({ kind: "answer", status: 502, body: "s3cret" }, 1);
    emulator.fail({ kind: "answer", status: 401, body: '{"error":"WRONGPASS s3cret"}' }, 1);
    const failures: unknown[] = [];
    for (let n = 0; n < 4; n += 1) failures.push(await rejection(channel.send(["PING"])));
    const everything = [failures, errors, states, channel.state(), channel];
    expect(inspect(everything, { depth: 20, showHidden: true })).not.toContain("s3cret");
  });
});

describe("a provider", () => {
  it("is asked once, before the first request", async () => {
    const { channel, reasons } = openWith(async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return { token: "token" };
    });
    await Promise.all(Array.from({ length: 10 }, () => channel.send(["INCR", "n"])));
    await channel.send(["INCR", "n"]);
    expect(reasons).toEqual(["connect"]);
  });

  it("lets a command leave at once that comes in the moment of its answer", async () => {
    // Each time a little later, for there is a moment in which the last command has just been taken.
    for (let steps = 0; steps < 40; steps += 1) {
      let open = (): void => {};
      const gate = new Promise<void>((resolve) => (open = resolve));
      const { channel } = openWith(() => gate.then(() => ({ token: "token" })));
      emulator.fail({ kind: "hold", when: "before" }, 2); // The PING at the start, and the first.
      const before = emulator.requests.length;
      const sent = [channel.send(["INCR", "n"])];
      await new Promise(setImmediate);
      await new Promise(setImmediate);
      open();
      for (let step = 0; step < steps; step += 1) await Promise.resolve();
      sent.push(channel.send(["GET", "n"]));
      const hasLeft = (): boolean =>
        emulator.requests.slice(before).some(({ commands }) => commands.at(-1)![0] === "GET");
      await until(hasLeft, `the command that came ${steps} steps later has left`, 2000);
      emulator.heal();
      await Promise.all(sent);
      await channel.close();
    }
  });

  it("may answer a password in place of a token", async () => {
    const { channel } = openWith(() => ({ username: "default", password: "token" }));
    expect(await channel.send(["INCR", "n"])).toBe(1);
  });

  it("is asked again when its token is rejected, and no command is told", async () => {
    let token = "token";
    const { channel, reasons, errors } = openWith(() => ({ token }));
    await channel.send(["INCR", "n"]);
    emulator.tokens.delete("token");
    emulator.tokens.add("second");
    token = "second";
    expect(await channel.send(["INCR", "n"])).toBe(2);
    expect(reasons).toEqual(["connect", "rejected"]);
    expect(errors).toEqual([]);
  });

  it("is asked once for all requests that were rejected at one time", async () => {
    let token = "token";
    const { channel, reasons } = openWith(() => ({ token }));
    await channel.ready();
    token = "second";
    emulator.tokens.add("second");
    const rejected = { kind: "answer", status: 401, body: "{}" } as const;
    const before = emulator.requests.length;
    const sent: Promise<unknown>[] = [];
    // All four carry the first token, for none of them is answered before all have left.
    for (let n = 1; n <= 4; n += 1) {
      emulator.fail({ ...rejected, after: "release" }, 1);
      sent.push(channel.send(["INCR", "n"]));
      await until(() => emulator.requests.length === before + n, `request ${n}`);
    }
    emulator.release();
    expect(new Set(await Promise.all(sent))).toEqual(new Set([1, 2, 3, 4]));
    expect(tokensFrom(before).slice(0, 4)).toEqual(["token", "token", "token", "token"]);
    expect(new Set(tokensFrom(before).slice(4))).toEqual(new Set(["second"]));
    expect(reasons).toEqual(["connect", "rejected"]);
  });

  it("is told of a token that is rejected once more, and then only now and then", async () => {
    const { channel, reasons } = openWith(() => ({ token: "wrong" }));
    const error = await rejection(channel.ready());
    expect(error).toMatchObject({ code: "REDIS_AUTH_FAILED", outcome: "notSent" });
    expect(reasons).toEqual(["connect", "rejected"]);
    for (let n = 0; n < 20; n += 1) await rejection(channel.send(["INCR", "n"]));
    expect(reasons.length).toBeLessThanOrEqual(3);
  });

  it("that fails makes commands fail before they are sent, and is not asked by each", async () => {
    const { channel, reasons, errors } = openWith(() =>
      Promise.reject(new Error("vault is sealed")),
    );
    const before = emulator.requests.length;
    const error = await rejection(channel.send(["INCR", "n"]));
    expect(error).toMatchObject({ code: "CREDENTIALS_UNAVAILABLE", outcome: "notSent" });
    for (let n = 0; n < 20; n += 1) await rejection(channel.send(["INCR", "n"]));
    expect(reasons.length).toBeLessThanOrEqual(2);
    expect(emulator.requests).toHaveLength(before);
    expect(errors.map(({ code }) => code)).toEqual(["CREDENTIALS_UNAVAILABLE"]);
  });

  it("that has recovered is found by itself", async () => {
    let isSealed = true;
    const { channel } = openWith(() => {
      if (isSealed) throw new Error("vault is sealed");
      return { token: "token" };
    });
    await rejection(channel.ready());
    isSealed = false;
    await until(() => channel.state().state === "ready", "the provider was asked again");
    expect(await channel.send(["INCR", "n"])).toBe(1);
  });

  it("can call for a renewal: the next requests carry the new token", async () => {
    let token = "token";
    let renew = (): void => {};
    const { channel, reasons } = openWith(({ reauthenticate }) => {
      renew = reauthenticate;
      return { token };
    });
    await channel.send(["INCR", "n"]);
    emulator.tokens.add("second");
    token = "second";
    renew();
    const before = emulator.requests.length;
    await until(async () => {
      await channel.send(["INCR", "n"]);
      return tokensFrom(before).at(-1) === "second";
    }, "the new token is used");
    expect(reasons).toEqual(["connect", "renewal"]);
  });

  it("that fails at a renewal is told of, and the token at hand goes on", async () => {
    let renew = (): void => {};
    let isSealed = false;
    const { channel, errors } = openWith(({ reauthenticate }) => {
      renew = reauthenticate;
      if (isSealed) throw new Error("vault is sealed");
      return { token: "token" };
    });
    await channel.ready();
    isSealed = true;
    renew();
    await until(() => errors.length === 1, "the failure is reported");
    expect(errors[0]!.code).toBe("CREDENTIALS_UNAVAILABLE");
    expect(await channel.send(["INCR", "n"])).toBe(1);
    expect(channel.state().state).toBe("ready");
  });

  it("that answers after the deadline costs a command that much, and no more", async () => {
    const { channel } = openWith(() => new Promise(() => {}));
    const error = await rejection(channel.send(["INCR", "n"], { within: 100 }));
    expect(error).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome: "notSent" });
  });
});
