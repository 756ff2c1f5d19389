/** The invariants of the guard, and guards with a mistake that the same harness has to catch. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { Redis } from "ioredis";
import request from "supertest";
import type { Connection } from "../../src/connection/port.ts";
import { describeBackends } from "../support/backends.ts";
import { openWatched } from "../support/connections.ts";
import { makeKit, serve } from "../support/kit.ts";
import { claimFirst, deletesSet, type Guard, naiveGuard } from "../support/naive-guards.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { cookieOf, kitOver, sessionApp, sidOf, signedIn } from "../support/session-app.ts";
import { allIds, validIds, watch } from "../support/valid-sessions.ts";
import { FAULTS, faulty, gated } from "../support/wrapped.ts";

const ROUNDS = 200;
const me = async (app: Parameters<typeof request>[0], cookie: string) =>
  (await request(app).get("/me").set("Cookie", cookie).expect(200)).body as {
    user: string | null;
    ended: string | null;
  };

describe("I1: at most one valid session at every instant", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  beforeEach(() => server.client.flushall());
  afterAll(() => server.stop());

  /** Rounds of four logins at once, as the sampler saw them. */
  const race = (logins: readonly Guard["login"][], rounds: number) =>
    watch(server.client, "7", async () => {
      for (let round = 0; round < rounds; round++) {
        await Promise.all(
          [0, 1, 2, 3].map((index) => logins[index % logins.length]!("7").catch(() => {})),
        );
      }
    });

  it("holds over HTTP, and what is a member is stored", async () => {
    const url = await serve(sessionApp(makeKit({ redis: server.url })));
    const login = async (user: string) =>
      sidOf(await request(url).post("/login").send({ user }).expect(200))!;
    await login("7");
    const sight = await race([login], ROUNDS);
    expect(sight.samples).toBeGreaterThan(ROUNDS);
    expect(sight).toMatchObject({ most: 1, fewest: 1, unstored: 0 });
  }, 60_000);

  const withClients = async <T>(work: (clients: Redis[]) => Promise<T>): Promise<T> => {
    const clients = [0, 1, 2, 3].map(() => new Redis({ path: server.socketPath }));
    try {
      return await work(clients);
    } finally {
      for (const client of clients) client.disconnect();
    }
  };

  it("is seen to be broken by a naive guard", async () => {
    const sight = await withClients((clients) =>
      race(
        clients.map((client) => naiveGuard(client).login),
        ROUNDS,
      ),
    );
    expect(sight.most).toBeGreaterThan(1);
  }, 60_000);

  it("says nothing against a guard that claims before it stores: the members do", async () => {
    const sight = await withClients((clients) =>
      race(
        clients.map((client) => claimFirst(client).login),
        ROUNDS,
      ),
    );
    expect(sight.most).toBe(1);
    expect(sight.unstored).toBeGreaterThan(0);
  }, 60_000);

  it("that claims before it stores leaves nobody when it dies in between", async () => {
    await claimFirst(server.client).login("7");
    const { target } = faulty(server.client, 1, "dies");
    await expect(claimFirst(target).login("7")).rejects.toThrow("took the connection away");
    const connection = openWatched({ redis: server.url }).connection;
    expect(await validIds(connection, "7", await allIds(connection))).toEqual([]);
  });

  it("is no reason to delete the Set at a logout: that ends another's session", async () => {
    const guard = deletesSet(server.client);
    const [first, second] = [await guard.login("7"), await guard.login("7")];
    await guard.logout("7", first);
    const connection = openWatched({ redis: server.url }).connection;
    expect(await validIds(connection, "7", [first, second])).toEqual([]); // I4 is broken.
  });
});

describeBackends("the guard's invariants", (backend) => {
  const open = (): Connection => openWatched(backend.options(), { NODE_ENV: "test" }).connection;
  const appOver = (connection: Connection) => sessionApp(kitOver(connection));

  it("I2: the last claim wins, and all before it are ended", async () => {
    const connection = open();
    const app = appOver(connection);
    const clients = [];
    for (let count = 0; count < 5; count++) clients.push(await signedIn(app, "7"));
    const last = clients.pop()!;
    for (const { cookie } of clients) {
      expect(await me(app, cookie)).toMatchObject({ user: null, ended: "signed-in-elsewhere" });
    }
    expect((await me(app, last.cookie)).user).toBe("7");
    expect(await validIds(connection, "7", await allIds(connection))).toEqual([last.id]);
  });

  it.each([
    ["a save", "session-save", "/data"],
    ["a PEXPIRE", "pexpire", "/me"],
    ["a regenerate that has not stored", "set", "/regenerate"],
    ["a regenerate that has stored", "swap", "/regenerate"],
  ])("I3: %s in flight does not bring an ended id back", async (_what, command, path) => {
    const connection = open();
    const app = appOver(connection);
    const first = await signedIn(app, "7");
    const gate = gated(connection, command);
    const slow = request(appOver(gate.target));
    const asked = path === "/me" ? slow.get(path) : slow.post(path).send({ cart: 1 });
    const pending = asked.set("Cookie", first.cookie).then((response) => response);
    await until(() => gate.waiting() > 0, `${command} waits`);
    const second = await signedIn(app, "7");
    gate.open();
    const response = await pending;
    expect((await me(app, first.cookie)).user).toBeNull();
    expect((await me(app, cookieOf(response) || first.cookie)).user).toBeNull();
    expect((await me(app, second.cookie)).user).toBe("7");
    expect(await validIds(connection, "7", await allIds(connection))).toEqual([second.id]);
  });

  it("I3: nor does a second login of the request that was ended meanwhile", async () => {
    const connection = open();
    const app = appOver(connection);
    const first = await signedIn(app, "7");
    const second = await signedIn(app, "7");
    await first.agent.post("/login").send({ user: "7" }).expect(200);
    expect((await me(app, first.cookie)).user).toBeNull();
    expect((await me(app, second.cookie)).ended).toBe("signed-in-elsewhere");
    expect(await validIds(connection, "7", await allIds(connection))).not.toContain(first.id);
  });

  it.each(["/logout", "/destroy"])("I4: a slow POST %s of A never hurts B", async (path) => {
    const connection = open();
    const app = appOver(connection);
    const first = await signedIn(app, "7");
    const stranger = await signedIn(app, "8");
    const gate = gated(connection, "del");
    const pending = request(appOver(gate.target))
      .post(path)
      .set("Cookie", first.cookie)
      .then((response) => response);
    await until(() => gate.waiting() > 0, "the logout waits");
    const second = await signedIn(app, "7");
    gate.open();
    await pending;
    expect((await me(app, second.cookie)).user).toBe("7");
    expect((await me(app, stranger.cookie)).user).toBe("8");
  });

  it.each(FAULTS)(
    "I5: a login in which any one command %s leaves one session, or fails closed",
    async (fault) => {
      for (let n = 1, isHit = true; isHit; n++) {
        const connection = open();
        const app = appOver(connection);
        const first = await signedIn(app, "7");
        const broken = faulty(connection, n, fault);
        const response = await request(appOver(broken.target)).post("/login").send({ user: "7" });
        isHit = broken.hit();
        const valid = await validIds(connection, "7", await allIds(connection));
        const handedOut = sidOf(response);
        if (response.status === 200) expect(valid).toEqual([handedOut]);
        else {
          // Fails closed: no cookie, and nobody else's session came up.
          expect([response.status, handedOut]).toEqual([503, undefined]);
          expect(valid.length).toBeLessThanOrEqual(1);
          if (fault === "dies") expect(valid).toHaveLength(1);
          if (fault === "not-sent") expect(valid).toEqual([first.id]);
        }
        const next = await signedIn(app, "7");
        expect(await validIds(connection, "7", await allIds(connection))).toEqual([next.id]);
      }
    },
  );

  it("I6: a stale member never blocks a login, and is pruned", async () => {
    const connection = open();
    const app = appOver(connection);
    const stale = await signedIn(app, "7");
    await connection.del(`session:${stale.id}`);
    const next = await signedIn(app, "7");
    expect((await me(app, next.cookie)).user).toBe("7");
    expect(await connection.scard("user:7:sessions")).toBe(1);
    expect(await connection.get(`session:${stale.id}`)).toBeNull(); // No tombstone for nobody.
  });

  it("I8: no Set, no access; nor with a Set that holds others only", async () => {
    const connection = open();
    const app = appOver(connection);
    const first = await signedIn(app, "7");
    await connection.srem("user:7:sessions", first.id);
    expect(await me(app, first.cookie)).toMatchObject({ user: null, ended: "revoked" });
    const second = await signedIn(app, "7");
    const copy = (await connection.get(`session:${second.id}`))!;
    await connection.set(`session:${first.id}`, copy, { ttl: 60_000 });
    expect((await me(app, first.cookie)).user).toBeNull();
  });
});
