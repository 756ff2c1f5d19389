/** What a Cluster adds to the contract: every command names one key and goes to the one server that holds it. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { createAuthority } from "../support/certificates.ts";
import { openWatched } from "../support/connections.ts";
import { makeKit } from "../support/kit.ts";
import { type RedisCluster, startCluster } from "../support/redis-cluster.ts";
import { until } from "../support/redis-server.ts";
import { addMember, count } from "../support/scripts.ts";
import { sessionApp, signedIn } from "../support/session-app.ts";

const ttl = 60_000;
const KEYS = Array.from({ length: 60 }, (_, n) => `key:${n}`);

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startCluster();
}, 30_000);
beforeEach(async () => {
  await cluster.flush();
  for (const { client } of cluster.nodes) await client.config("RESETSTAT");
});
afterAll(() => cluster.stop());

const forgetScripts = () =>
  Promise.all(cluster.nodes.map(({ client }) => client.script("FLUSH", "SYNC")));

/** Calls of a command on each master, and how many of them were refused there. */
async function calls(command: string): Promise<{ made: number; refused: number }[]> {
  const masters = await cluster.masters();
  return Promise.all(
    masters.map(async ({ client }) => {
      const stats = await client.info("commandstats");
      const [, line = ""] = new RegExp(`cmdstat_${command}:(.*)`).exec(stats) ?? [];
      const field = (name: string) => Number(new RegExp(`${name}=(\\d+)`).exec(line)?.[1] ?? 0);
      return { made: field("calls"), refused: field("rejected_calls") };
    }),
  );
}

/** Every command that reached a server over TCP, as the kit comes, while `work` went on. */
async function monitored(work: () => Promise<unknown>): Promise<string[][]> {
  const seen: string[][] = [];
  const marked = new Set<string>();
  const monitors = await Promise.all(cluster.nodes.map(({ client }) => client.monitor()));
  for (const monitor of monitors) {
    monitor.on("monitor", (_time: string, args: string[], source: string) => {
      // The test's own come over unix sockets, and what a script calls comes from nowhere.
      if (source.startsWith("127.0.0.1:")) seen.push(args);
      else if (args[0]?.toLowerCase() === "echo") marked.add(args[1]!);
    });
  }
  await work();
  // What a server did before it has been told by the time that this is.
  await Promise.all(cluster.nodes.map(({ client }, index) => client.echo(`mark:${index}`)));
  await until(() => marked.size === monitors.length, "every server has told all");
  for (const monitor of monitors) monitor.disconnect();
  return seen;
}

/** The keys that a command names, by the server's own judgement. */
async function keysOf(command: readonly string[]): Promise<string[]> {
  const [name, ...args] = command as [string, ...string[]];
  if (args.length === 0) return [];
  try {
    return (await cluster.nodes[0]!.client.call("COMMAND", "GETKEYS", name, ...args)) as string[];
  } catch (error) {
    if ((error as Error).message.includes("no key arguments")) return [];
    throw error;
  }
}

describe("scripts", () => {
  it("60 at once on a connection that is not there yet all run, once", async () => {
    const { connection, errors } = openWatched({ redis: cluster.url });
    expect(await Promise.all(KEYS.map((key) => connection.run(count, key, [])))).toEqual(
      KEYS.map(() => 1),
    );
    expect(errors).toEqual([]);
  });

  it("60 at once all run, once, right after every server forgot them", async () => {
    const { connection } = openWatched({ redis: cluster.url });
    await Promise.all(KEYS.map((key) => connection.run(count, key, [])));
    for (const round of [2, 3, 4]) {
      await forgetScripts();
      expect(await Promise.all(KEYS.map((key) => connection.run(count, key, [])))).toEqual(
        KEYS.map(() => round),
      );
    }
  });

  it("60 at once on one key each see another number", async () => {
    const { connection } = openWatched({ redis: cluster.url });
    await forgetScripts();
    const runs = await Promise.all(KEYS.map((key) => connection.run(addMember, "set", [key, ttl])));
    expect(new Set(runs).size).toBe(60);
  });
});

describe("keys", () => {
  it("are asked for where they lie: no command is redirected", async () => {
    const { connection } = openWatched({ redis: cluster.url });
    await Promise.all(KEYS.map((key) => connection.set(key, key, { ttl })));
    const values = await Promise.all(KEYS.map((key) => connection.get(key)));
    expect(values).toEqual(KEYS);
    for (const command of ["set", "get"]) {
      const made = await calls(command);
      expect(made.reduce((sum, one) => sum + one.made, 0)).toBe(60);
      expect(made.every((one) => one.made > 0 && one.refused === 0)).toBe(true);
    }
  });

  it("are found by scan() on every master, each once", async () => {
    const { connection } = openWatched({ redis: cluster.url });
    const names = Array.from({ length: 1000 }, (_, n) => `scanned:${n}`);
    await Promise.all([...names, ...KEYS].map((key) => connection.set(key, "", { ttl })));
    const found: string[] = [];
    for await (const batch of connection.scan("scanned:")) found.push(...batch);
    expect(found.toSorted()).toEqual(names.toSorted());
    for (const { made } of await calls("scan")) expect(made).toBeGreaterThan(1);
  });

  it("asked for together are a GET each, where each lies", async () => {
    const { connection } = openWatched({ redis: cluster.url });
    await Promise.all(KEYS.map((key) => connection.set(key, key, { ttl })));
    expect((await connection.mgetBytes(KEYS)).map(String)).toEqual(KEYS);
    expect((await calls("mget")).every(({ made }) => made === 0)).toBe(true);
    const made = await calls("get");
    expect(made.reduce((sum, one) => sum + one.made, 0)).toBe(60);
    expect(made.every((one) => one.made > 0 && one.refused === 0)).toBe(true);
  });

  it("with a hash tag lie together, by the part in braces", async () => {
    const { connection } = openWatched({ redis: cluster.url });
    const tagged = ["a{tag}1", "b{tag}2", "{tag}", "a{}b", "{", "a{b", "é{\u{1F600}}ö"];
    for (const key of tagged) {
      await connection.set(key, key, { ttl });
      expect(await connection.get(key)).toBe(key);
    }
    expect((await calls("set")).reduce((sum, one) => sum + one.refused, 0)).toBe(0);
  });
});

describe("what the features send", () => {
  it("names one key a command, or none", async () => {
    const kit = makeKit({ redis: cluster.url });
    await kit.ready();
    const commands = await monitored(async () => {
      const app = sessionApp(kit);
      for (const user of ["7", "8", "9"]) {
        await signedIn(app, user);
        const { agent } = await signedIn(app, user);
        await agent.post("/data").send({ cart: 1 }).expect(200);
        await agent.get("/me").expect(200);
        await agent.post("/regenerate").send({ cart: 2 }).expect(200);
        await agent.post("/logout").expect(204);
      }
    });
    const names = new Set(commands.map(([name]) => name!.toLowerCase()));
    expect([...names]).toEqual(expect.arrayContaining(["get", "evalsha"]));
    for (const command of commands) expect((await keysOf(command)).length).toBeLessThanOrEqual(1);
    const refused = await Promise.all(["get", "set", "del", "evalsha", "eval"].map(calls));
    expect(refused.flat().reduce((sum, one) => sum + one.refused, 0)).toBe(0);
  });
});

describe("a Cluster that names its servers", () => {
  it.each(["hostname", "unknown-endpoint"])("by %s is reached by TLS", async (kind) => {
    const own = await createAuthority();
    const { certFile, keyFile } = await own.issue("localhost");
    const named = await startCluster({
      replicas: 0,
      tls: { ca: own.caFile, cert: certFile, key: keyFile },
      args: ["--cluster-announce-hostname", "localhost", "--cluster-preferred-endpoint-type", kind],
    });
    try {
      // The certificate is valid for the name alone.
      const url = named.url.replaceAll("127.0.0.1", "localhost");
      const { connection, errors } = openWatched({ redis: { url, ca: own.ca } });
      await connection.ready();
      expect(await Promise.all(KEYS.map((key) => connection.run(count, key, [])))).toEqual(
        KEYS.map(() => 1),
      );
      expect(connection.state()).toMatchObject({ state: "ready", tls: true });
      expect(errors).toEqual([]);
    } finally {
      await named.stop();
      own.remove();
    }
  });
});
