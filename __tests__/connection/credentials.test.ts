/* oxlint-disable max-lines -- all that the one option does, on servers of every kind */
/** Passwords that change while the kit runs: `credentials` is asked, and asked again. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import express from "express";
import request from "supertest";
import type { CredentialsProvider } from "../../src/config/credentials.ts";
import { openWatched, rejection, type Watched } from "../support/connections.ts";
import { makeKit } from "../support/kit.ts";
import { type Load, startLoad } from "../support/load.ts";
import { startCluster } from "../support/redis-cluster.ts";
import { startSentinel } from "../support/redis-sentinel.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";

/** What an application's own function does here: answers what the test says, and remembers how it was asked. */
interface Provider {
  /** The user and password that it answers, or what it throws. */
  answer: { username?: string; password: string } | Error | Promise<never>;
  readonly reasons: string[];
  reauthenticate(): void;
  readonly credentials: CredentialsProvider;
}

function createProvider(username: string, password: string): Provider {
  let again = (): void => {};
  const provider: Provider = {
    answer: { username, password },
    reasons: [],
    reauthenticate: () => again(),
    credentials: async ({ reason, reauthenticate }) => {
      again = reauthenticate;
      provider.reasons.push(reason);
      const answer = await provider.answer;
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  return provider;
}

let server: RedisServer;
let provider: Provider;
beforeAll(async () => {
  // The test looks as the default user; the kit comes as `app`.
  server = await startRedis({ tcp: true });
});
beforeEach(async () => {
  await server.client.flushall();
  await server.client.call("ACL", "SETUSER", "app", "reset", "on", ">first", "~*", "+@all");
  await server.client.call("ACL", "SETUSER", "other", "reset", "on", ">other", "~*", "+@all");
  provider = createProvider("app", "first");
});
afterAll(() => server.stop());

const acl = (...rules: string[]) => server.client.call("ACL", "SETUSER", "app", ...rules);
const open = (refresh?: string): Watched =>
  openWatched({
    redis: {
      url: server.url,
      credentials: provider.credentials,
      ...(refresh !== undefined && { refresh }),
    },
  });
const codes = ({ errors }: Watched): string[] => errors.map(({ code }) => code);

/** Whom the kit's live connections are authenticated as. */
async function users(client = server.client): Promise<string[]> {
  const list = String(await client.client("LIST"));
  return list
    .split("\n")
    .filter((line) => line.includes(" name=express-redis-kit"))
    .map((line) => / user=(\S+)/.exec(line)![1]!);
}

/** Ends the kit's connections, and waits for the next one. */
async function replaceConnection({ connection, states }: Watched): Promise<void> {
  const before = states.filter(({ state }) => state === "ready").length;
  await server.client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
  await until(
    () => states.filter(({ state }) => state === "ready").length > before,
    "the connection is back",
  );
  await connection.ping();
}

async function settle(load: Load): Promise<void> {
  expect(await load.audit(() => server.client)).toEqual([]);
  expect(load.codes()).toEqual([]);
}

describe("a password that is rotated under load", () => {
  it.each(["by `refresh`", "by `reauthenticate`"])("%s fails no command", async (how) => {
    const watched = open(how === "by `refresh`" ? "50ms" : undefined);
    const load = startLoad(watched.connection);
    await load.answered(20);
    for (const [old, next] of [
      ["first", "second"],
      ["second", "third"],
    ] as const) {
      await acl(`>${next}`);
      provider.answer = { username: "app", password: next };
      const before = provider.reasons.length;
      if (how === "by `reauthenticate`") provider.reauthenticate();
      await until(() => provider.reasons.length > before, "the provider was asked");
      await load.answered(20);
      await acl(`<${old}`);
      await load.answered(20);
    }
    await settle(load);
    expect(watched.errors).toEqual([]);
    // Only now is a new connection made, and the last password is what it comes with.
    await replaceConnection(watched);
    expect(new Set(provider.reasons)).toEqual(new Set(["connect", "renewal"]));
  });

  it("fails no request of a kit that would refuse it", async () => {
    const { url } = server;
    const kit = makeKit(
      { redis: { url, credentials: provider.credentials, refresh: "50ms" } },
      { NODE_ENV: "production" },
    );
    const app = express().use(kit.rateLimit("api", { limit: 1e6, onRedisError: "closed" }));
    app.get("/", (_req, res) => void res.sendStatus(204));
    await kit.ready();
    expect(await users()).toEqual(["app"]);
    provider.answer = { username: "other", password: "other" };
    await until(async () => {
      await request(app).get("/").expect(204);
      return (await users()).join() === "other";
    }, "the kit is another user");
    await server.client.call("ACL", "DELUSER", "app");
    await request(app).get("/").expect(204);
  });
});

describe("the function", () => {
  it("is asked on every connect, and tells why it is asked", async () => {
    const watched = open();
    await watched.connection.ready();
    for (const _ of [1, 2, 3]) await replaceConnection(watched);
    expect(provider.reasons).toEqual(["connect", "connect", "connect", "connect"]);
    expect(watched.errors.filter(({ code }) => code !== "REDIS_UNAVAILABLE")).toEqual([]);
  });

  it("may answer without a promise, and without a user", async () => {
    await server.client.config("SET", "requirepass", "default-s3cret");
    try {
      const { connection } = openWatched({
        redis: { url: server.url, credentials: () => ({ password: "default-s3cret" }) },
      });
      await connection.ready();
      await connection.ping();
      expect(await users()).toEqual(["default"]);
    } finally {
      await server.client.config("SET", "requirepass", "");
    }
  });

  it("changes the user of the live connection when it calls `reauthenticate`", async () => {
    const watched = open();
    await watched.connection.ready();
    const id = await server.client.client("LIST");
    provider.answer = { username: "other", password: "other" };
    provider.reauthenticate();
    await until(async () => (await users()).join() === "other", "another user");
    expect(provider.reasons).toEqual(["connect", "renewal"]);
    // The same connection, not a new one.
    const kitId = /id=(\d+) .* name=express-redis-kit/.exec(String(id))![1]!;
    expect(String(await server.client.client("LIST"))).toContain(`id=${kitId} `);
    expect(watched.errors).toEqual([]);
  });

  it("changes the user although it calls `reauthenticate` while the connection is being made", async () => {
    const answers = [
      { username: "app", password: "first" },
      { username: "other", password: "other" },
    ];
    const { connection } = openWatched({
      redis: {
        url: server.url,
        credentials: ({ reason, reauthenticate }) => {
          if (reason === "connect") reauthenticate();
          return answers[reason === "connect" ? 0 : 1]!;
        },
      },
    });
    await connection.ready();
    await until(async () => (await users()).join() === "other", "another user");
  });

  it("changes the user although it calls `reauthenticate` while the server is frozen", async () => {
    // Long enough that the server is back before its socket is given up.
    const { connection } = openWatched({
      redis: { url: server.url, credentials: provider.credentials },
      deadline: 700,
    });
    await connection.ready();
    server.kill("SIGSTOP");
    await rejection(connection.ping());
    provider.answer = { username: "other", password: "other" };
    provider.reauthenticate();
    server.kill("SIGCONT");
    await until(async () => (await users()).join() === "other", "another user");
  });

  it("is not asked any more after close()", async () => {
    const { connection } = open("20ms");
    await connection.ready();
    await until(() => provider.reasons.length > 2, "it is asked");
    await connection.close();
    const asked = provider.reasons.length;
    provider.reauthenticate();
    // Another kit, whose function is asked as often, is the clock.
    const clock = createProvider("app", "first");
    openWatched({
      redis: { url: server.url, credentials: clock.credentials, refresh: "20ms" },
    });
    await until(() => clock.reasons.length > 4, "time enough has passed");
    expect(provider.reasons).toHaveLength(asked);
  });
});

describe("a function that fails", () => {
  it.each<[string, () => Provider["answer"]]>([
    ["rejects", () => new Error("the vault is sealed")],
    ["answers nothing of use", () => ({ password: "" })],
  ])("at the start, and %s: is reported once, asked again, and heals", async (_how, failure) => {
    provider.answer = failure();
    const watched = open();
    const error = await rejection(watched.connection.ready());
    expect(error).toMatchObject({ code: "CREDENTIALS_UNAVAILABLE", outcome: "notSent" });
    await until(() => provider.reasons.length >= 4, "it is asked again");
    expect(codes(watched)).toEqual(["CREDENTIALS_UNAVAILABLE"]);
    provider.answer = { username: "app", password: "first" };
    await until(() => watched.connection.state().state === "ready", "it heals");
    await watched.connection.ping();
    expect(codes(watched)).toEqual(["CREDENTIALS_UNAVAILABLE"]);
  });

  it("on a renewal: the live connection goes on, is reported once, asked again, and heals", async () => {
    const watched = open();
    const load = startLoad(watched.connection);
    await load.answered(10);
    provider.answer = new Error("the vault is sealed");
    provider.reauthenticate();
    await until(() => watched.errors.length > 0, "it is reported");
    provider.answer = { username: "other", password: "other" };
    await until(async () => (await users()).join() === "other", "it is asked again");
    await load.answered(10);
    await settle(load);
    expect(codes(watched)).toEqual(["CREDENTIALS_UNAVAILABLE"]);
  });

  it("that never answers is not waited for for ever", async () => {
    provider.answer = new Promise<never>(() => {});
    const watched = openWatched({
      redis: { url: server.url, credentials: provider.credentials },
      connectDeadline: "300ms",
    });
    const error = await rejection(watched.connection.ready());
    expect(error.code).toBe("CREDENTIALS_UNAVAILABLE");
    provider.answer = { username: "app", password: "first" };
    await until(() => watched.connection.state().state === "ready", "it heals");
  });
});

describe("a password that the server rejects", () => {
  it("at the start: is reported once with the fix, and heals when the function does", async () => {
    provider.answer = { username: "app", password: "wr0ng-secret" };
    const watched = open();
    const error = await rejection(watched.connection.ready());
    expect(error).toMatchObject({ code: "REDIS_AUTH_FAILED", outcome: "notSent" });
    expect(error.fix).toContain("credentials");
    expect(`${error.message} ${error.fix} ${String(error.cause)}`).not.toContain("wr0ng-secret");
    await until(() => provider.reasons.length >= 4, "it is asked again");
    expect(provider.reasons[0]).toBe("connect");
    expect(new Set(provider.reasons.slice(1))).toEqual(new Set(["rejected"]));
    expect(codes(watched)).toEqual(["REDIS_AUTH_FAILED"]);
    provider.answer = { username: "app", password: "first" };
    await until(() => watched.connection.state().state === "ready", "it heals");
    await watched.connection.ping();
  });

  it("on a renewal: the live connection goes on, is reported once, and heals", async () => {
    const watched = open();
    const load = startLoad(watched.connection);
    await load.answered(10);
    provider.answer = { username: "app", password: "wr0ng-secret" };
    provider.reauthenticate();
    await until(() => watched.errors.length > 0, "it is reported");
    await load.answered(10);
    expect(codes(watched)).toEqual(["REDIS_AUTH_FAILED"]);
    expect(String(watched.errors[0])).not.toContain("wr0ng-secret");
    provider.answer = { username: "other", password: "other" };
    await until(async () => (await users()).join() === "other", "it is asked again");
    await settle(load);
  });

  it("on a reconnect, because it was taken back: heals when the function does", async () => {
    const watched = open();
    await watched.connection.ready();
    await acl(">second", "<first");
    await server.client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await until(
      () => watched.connection.state().problem?.code === "REDIS_AUTH_FAILED",
      "the cause is known",
    );
    provider.answer = { username: "app", password: "second" };
    await until(() => watched.connection.state().state === "ready", "it heals");
    await watched.connection.ping();
    expect(codes(watched).filter((code) => code === "REDIS_AUTH_FAILED")).toHaveLength(1);
  });
});

describe("deployments of several servers", () => {
  it("a Cluster: every live connection is renewed", async () => {
    const cluster = await startCluster({ replicas: 0 });
    try {
      for (const { client } of cluster.nodes) {
        for (const user of ["app", "other"]) {
          await client.call("ACL", "SETUSER", user, "on", ">s3cret", "~*", "+@all");
        }
      }
      provider.answer = { username: "app", password: "s3cret" };
      const { connection, errors } = openWatched({
        redis: { url: cluster.url, credentials: provider.credentials },
      });
      await connection.ready();
      const everyUser = async () =>
        (await Promise.all(cluster.nodes.map(({ client }) => users(client)))).flat().join();
      await until(async () => (await everyUser()) === "app,app,app", "three connections");
      provider.answer = { username: "other", password: "s3cret" };
      provider.reauthenticate();
      await until(async () => (await everyUser()) === "other,other,other", "all are renewed");
      expect(errors).toEqual([]);
    } finally {
      await cluster.stop();
    }
  });

  it("Sentinel: the master gets them, the Sentinels do not", async () => {
    const deployment = await startSentinel({ sentinelPassword: "sentinel-s3cret" });
    try {
      const { client } = await deployment.master();
      await client.call("ACL", "SETUSER", "app", "on", ">first", "~*", "+@all");
      const { connection, errors } = openWatched({
        redis: {
          url: deployment.url,
          sentinelPassword: "sentinel-s3cret",
          credentials: provider.credentials,
        },
      });
      await connection.ready();
      await connection.ping();
      expect(await users(client)).toEqual(["app"]);
      expect(provider.reasons).toEqual(["connect"]);
      expect(errors).toEqual([]);
    } finally {
      await deployment.stop();
    }
  });
});
