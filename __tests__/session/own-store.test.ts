/** `session({ store })`: a store of one's own works as with express-session, and the kit says what is missing. */
import { describe, expect, it } from "@jest/globals";
import type { Request } from "express";
import expressSession from "express-session";
import type { SessionOptions } from "express-redis-kit";
import request from "supertest";
import { createLog, makeKit, serve } from "../support/kit.ts";
import { cookieLine, cookieOf, sessionApp, signedIn, wrap } from "../support/session-app.ts";

function start(options: SessionOptions = {}) {
  const log = createLog();
  const kit = makeKit({ logger: log }, { NODE_ENV: "development", SESSION_SECRET: "s" });
  const store = new expressSession.MemoryStore();
  const app = sessionApp(kit, { store, ...options });
  return { kit, app, store, log };
}

describe("a store of one's own", () => {
  it("says that there is no guard", async () => {
    const { log } = start();
    await new Promise((flushed) => setImmediate(flushed));
    expect(log.lines.join("\n")).toMatch(/nothing ends a user's other session/);
  });

  it("signs in under a fresh id, keeps what it is told to, and ends nobody's session", async () => {
    const { app } = start();
    const url = await serve(app);
    const browser = request.agent(url);
    const first = await browser.post("/data").send({ cart: 1, rest: 2 });
    const second = await browser.post("/login").send({ user: "7", keep: ["cart"] });
    expect(second.status).toBe(200);
    expect(cookieOf(second)).not.toBe(cookieOf(first));
    expect((await browser.get("/me")).body.data).toEqual({ userId: "7", cart: 1 });
    const other = await signedIn(url, "7");
    expect((await other.agent.get("/me")).body.user).toBe("7");
    expect((await browser.get("/me")).body.user).toBe("7");
  });

  it("signs out, and knows in the middle of a request whether a session still holds", async () => {
    const { app, kit, store } = start();
    app.get(
      "/active",
      wrap(async (req, res) => {
        store.clear();
        await kit.assertActive(req);
        res.end();
      }),
    );
    const { agent } = await signedIn(await serve(app), "7");
    await agent.post("/logout").expect(204);
    expect((await agent.get("/me")).body.user).toBeNull();
    await agent.post("/login").send({ user: "7" }).expect(200);
    await expect(
      (async () => {
        const { status } = await agent.get("/active");
        return status;
      })(),
    ).resolves.toBe(401);
  });

  it("has the kit's cookie, checked; and 'auto' in a function's answer", async () => {
    const cookie = (() => ({ secure: "auto", sameSite: "auto" })) as never;
    const { app } = start({ cookie, proxy: true });
    const url = await serve(app);
    const plain = await request(url).post("/data").send({ a: 1 });
    expect(cookieLine(plain)).toMatch(/^sid=.*SameSite=Lax$/);
    const secure = await request(url)
      .post("/data")
      .set("X-Forwarded-Proto", "https")
      .send({ a: 1 });
    expect(cookieLine(secure)).toMatch(/Secure; SameSite=None/);
    expect(() => start({ name: "__Host-x" })).toThrow(
      expect.objectContaining({ code: "INVALID_COOKIE" }),
    );
  });

  it("works under node:http", async () => {
    const { kit, store } = start();
    const session = kit.session({ store });
    const url = await serve((req, res) => {
      session(req, res, () => {
        const data = (req as Request).session as unknown as { n?: number };
        data.n = (data.n ?? 0) + 1;
        res.end(String(data.n));
      });
    });
    const browser = request.agent(url);
    expect([(await browser.get("/")).text, (await browser.get("/")).text]).toEqual(["1", "2"]);
  });
});
