/** `kit.sessions` and `assertActive()`: a user's sessions seen and ended from elsewhere. */
import { createServer, get, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "@jest/globals";
import { type Kit, type KitEvents, KitError, type SessionOptions } from "express-redis-kit";
import request from "supertest";
import { describeDeployments } from "../support/deployments.ts";
import { makeKit, serve } from "../support/kit.ts";
import { answerError, sessionApp, signedIn, wrap } from "../support/session-app.ts";

describeDeployments("sessions", (optionsOf) => {
  let kit: Kit;
  let hold: (() => Promise<unknown>) | undefined;
  const start = async (options: SessionOptions = {}): Promise<string> => {
    kit = makeKit(optionsOf());
    const app = sessionApp(kit, { concurrent: 5, ...options });
    app.get(
      "/list",
      wrap(async (req, res) => {
        res.json(await kit.sessions.list(req.session.userId!, req));
      }),
    );
    app.post(
      "/end-others",
      wrap(async (req, res) => {
        await hold?.();
        res.json(await kit.sessions.endOthers(req));
      }),
    );
    app.get(
      "/active",
      wrap(async (req, res) => {
        await hold?.();
        await kit.assertActive(req);
        res.json("active");
      }),
    );
    app.use(answerError);
    hold = undefined;
    return serve(app);
  };
  const me = async (url: string, cookie: string) =>
    (await request(url).get("/me").set("Cookie", cookie)).body as { user: unknown; ended: unknown };

  it("are listed, the newest first, by handles that are no ids", async () => {
    const url = await start();
    const began = Date.now();
    await request(url).post("/login").set("User-Agent", "first").send({ user: "7" });
    const second = await signedIn(url, "7");
    const { body, text } = await request(url).get("/list").set("Cookie", second.cookie);
    expect(body).toHaveLength(2);
    expect(body[1]).toEqual({
      handle: expect.stringMatching(/^[\w-]{22}$/),
      created: expect.any(Number),
      lastSeen: expect.any(Number),
      ip: expect.stringMatching(/127\.0\.0\.1|::1/),
      userAgent: "first",
      current: false,
    });
    expect(body[0].current).toBe(true);
    for (const { created, lastSeen } of body) {
      expect(created).toBeGreaterThanOrEqual(began);
      expect(lastSeen).toBeGreaterThanOrEqual(created);
      expect(lastSeen).toBeLessThanOrEqual(Date.now());
    }
    expect(text).not.toContain(second.id);
    expect(await kit.sessions.list("nobody")).toEqual([]);
  });

  it("are ended one by one; the client is told", async () => {
    const url = await start();
    const [first, second] = [await signedIn(url, "7"), await signedIn(url, "7")];
    const ended: KitEvents["session-ended"][] = [];
    kit.on("session-ended", (detail) => void ended.push(detail));
    const [, old] = await kit.sessions.list("7");
    expect(await kit.sessions.end("7", old!.handle)).toBe(true);
    expect(await kit.sessions.end("7", old!.handle)).toBe(false);
    expect(await kit.sessions.end("8", old!.handle)).toBe(false);
    expect(await me(url, first.cookie)).toMatchObject({ user: null, ended: "revoked" });
    expect(await me(url, second.cookie)).toMatchObject({ user: "7" });
    expect(ended).toEqual([{ userId: "7", reason: "revoked" }]);
  });

  it("are ended all but one's own, and all", async () => {
    const url = await start();
    const clients = [];
    for (let n = 0; n < 3; n++) clients.push(await signedIn(url, "7"));
    const other = await signedIn(url, "8");
    const own = clients[1]!;
    expect((await own.agent.post("/end-others")).body).toBe(2);
    expect((await own.agent.get("/me")).body.user).toBe("7");
    expect(await me(url, clients[0]!.cookie)).toMatchObject({ user: null, ended: "revoked" });
    expect(await kit.sessions.endAll("7")).toBe(1);
    expect(await kit.sessions.endAll("7")).toBe(0);
    expect(await me(url, own.cookie)).toMatchObject({ user: null, ended: "revoked" });
    expect(await me(url, other.cookie)).toMatchObject({ user: "8" });
  });

  it("that were ended meanwhile end no others", async () => {
    const url = await start();
    const [first, second] = [await signedIn(url, "7"), await signedIn(url, "7")];
    hold = () => kit.sessions.endAll("7");
    const late = await first.agent.post("/end-others");
    expect([late.status, late.body.code]).toEqual([401, "SESSION_ENDED"]);
    expect((await request(url).post("/end-others")).body.code).toBe("NOT_SIGNED_IN");
    expect(await me(url, second.cookie)).toMatchObject({ user: null });
  });

  it("assertActive() notices an end during the request", async () => {
    const url = await start();
    const { agent } = await signedIn(url, "7");
    expect((await agent.get("/active")).body).toBe("active");
    hold = () => kit.sessions.endAll("7");
    const late = await agent.get("/active");
    expect([late.status, late.body.code]).toEqual([401, "SESSION_ENDED"]);
    const nobody = await request(url).get("/active");
    expect([nobody.status, nobody.body.code]).toEqual([401, "NOT_SIGNED_IN"]);
  });

  it("are listed, counted and cleared through req.sessionStore, wherever they lie", async () => {
    const url = await start({ concurrent: false });
    const ids = new Set<string>();
    const logins = Array.from({ length: 60 }, (_, n) => signedIn(url, String(n % 9)));
    for (const { id } of await Promise.all(logins)) ids.add(id);
    await kit.sessions.endAll("3"); // Tombstones do not count.
    const ended = Array.from({ length: 60 }, (_, n) => n % 9).filter((user) => user === 3).length;
    const store = kit.sessionStore() as unknown as Record<
      "all" | "ids" | "length" | "clear",
      () => Promise<unknown>
    >;
    const all = (await store.all()) as { id: string; userId: string }[];
    expect(all).toHaveLength(60 - ended);
    expect(all.every(({ id, userId }) => ids.has(id) && userId !== "3")).toBe(true);
    expect(new Set((await store.ids()) as string[])).toEqual(new Set(all.map(({ id }) => id)));
    expect(await store.length()).toBe(60 - ended);
    await store.clear();
    expect(await store.length()).toBe(0);
  });

  it("are found for an upgrade by its cookie, and asked for again", async () => {
    const url = await start();
    const { cookie, id } = await signedIn(url, "7");
    const server = createServer();
    const upgrades: IncomingMessage[] = [];
    server.on("upgrade", (req, socket) => {
      upgrades.push(req);
      socket.end("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n");
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const upgrade = async (headers: Record<string, string>): Promise<IncomingMessage> => {
      const { port } = server.address() as AddressInfo;
      await new Promise((upgraded) => {
        const options = { port, headers: { Connection: "Upgrade", Upgrade: "x", ...headers } };
        get(options).on("upgrade", (_res, socket) => upgraded(socket.destroy()));
      });
      return upgrades.at(-1)!;
    };
    try {
      const found = await kit.sessions.fromRequest(await upgrade({ Cookie: cookie }));
      expect(found).toMatchObject({ userId: "7", data: { userId: "7" } });
      expect(found!.handle).toBe((await kit.sessions.list("7"))[0]!.handle);
      expect(JSON.stringify(found)).not.toContain(id);
      await found!.assertActive();
      await kit.sessions.endAll("7");
      await expect(found!.assertActive()).rejects.toMatchObject({ code: "SESSION_ENDED" });
      for (const Cookie of [cookie, `${cookie}x`, "sid=x", ""])
        expect(await kit.sessions.fromRequest(await upgrade({ Cookie }))).toBeUndefined();
    } finally {
      server.close();
    }
  });
});

describe("kit.sessions without session()", () => {
  it("ends a user's sessions from another process, and cannot read cookies", async () => {
    const kit = makeKit();
    expect(await kit.sessions.endAll("7")).toBe(0);
    await expect(kit.sessions.list(undefined as never)).rejects.toBeInstanceOf(KitError);
    await expect(kit.sessions.fromRequest({ headers: {} } as never)).rejects.toMatchObject({
      code: "SESSION_NOT_MOUNTED",
    });
  });
});
