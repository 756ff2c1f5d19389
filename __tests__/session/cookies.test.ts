import { describe, expect, it } from "@jest/globals";
import type { KitEvents, SessionOptions } from "express-redis-kit";
import request from "supertest";
import { makeKit, serve } from "../support/kit.ts";
import { startRedis } from "../support/redis-server.ts";
import { createSessionApp } from "../support/session-actions.ts";

const PRODUCTION = { NODE_ENV: "production" };
const HTTPS = { "X-Forwarded-Proto": "https" };

function cookiesOf(response: request.Response): string[] {
  return (response.headers["set-cookie"] as unknown as string[] | undefined) ?? [];
}

function appWith(options: SessionOptions = {}) {
  return createSessionApp(makeKit(), options);
}

describe("the session cookie", () => {
  it("is named sid in development, HttpOnly, Lax, without an end", async () => {
    const response = await request(appWith()).post("/set").send({ a: 1 });
    expect(cookiesOf(response)).toEqual([
      expect.stringMatching(/^sid=s%3A[^;]+; Path=\/; HttpOnly; SameSite=Lax$/),
    ]);
  });

  it("is named __Host-sid in production, and Secure", async () => {
    const redis = await startRedis();
    const kit = makeKit({ redis: redis.url, secret: "s" }, PRODUCTION);
    const app = createSessionApp(kit);
    const response = await request(app).post("/set").set(HTTPS).send({ a: 1 });
    expect(cookiesOf(response)).toEqual([
      expect.stringMatching(/^__Host-sid=s%3A[^;]+; Path=\/; HttpOnly; Secure; SameSite=Lax$/),
    ]);
  });

  it("is not set for an empty session, and none is stored", async () => {
    const redis = await startRedis();
    const app = createSessionApp(makeKit({ redis: redis.url }));
    expect(cookiesOf(await request(app).get("/"))).toEqual([]);
    expect(cookiesOf(await request(app).post("/regenerate").send({}))).toEqual([]);
    expect(await redis.client.keys("*")).toEqual([]);
  });

  it("is set for an empty one with saveUninitialized, and at every response with rolling", async () => {
    const app = appWith({ saveUninitialized: true, rolling: true, cookie: { maxAge: 60_000 } });
    const browser = request.agent(app);
    expect(cookiesOf(await browser.get("/"))).toHaveLength(1);
    expect(cookiesOf(await browser.get("/"))).toHaveLength(1);
  });

  it("is cleared, once, where its session is gone", async () => {
    const app = appWith();
    const browser = request.agent(app);
    const [line] = cookiesOf(await browser.post("/set").send({ a: 1 }));
    const cleared = [expect.stringMatching(/^sid=; .*Expires=Thu, 01 Jan 1970/)];
    expect(cookiesOf(await browser.post("/destroy"))).toEqual(cleared);
    expect(cookiesOf(await browser.get("/"))).toEqual([]);
    const kept = await request(app).get("/").set("Cookie", line!.split(";")[0]!);
    expect(cookiesOf(kept)).toEqual(cleared);
  });

  it("leaves other cookies of the response alone", async () => {
    const app = appWith();
    app.get("/other", (_req, res) => {
      res.cookie("theme", "dark").cookie("sidx", "1").json("ok");
    });
    const browser = request.agent(app);
    const [line] = cookiesOf(await browser.post("/set").send({ a: 1 }));
    await browser.post("/destroy");
    const other = await request(app).get("/other").set("Cookie", line!.split(";")[0]!);
    expect(cookiesOf(other).map((cookie) => cookie.split("=")[0])).toEqual([
      "theme",
      "sidx",
      "sid",
    ]);
  });

  it("of a forged or unsigned kind is nobody's", async () => {
    const app = appWith();
    for (const cookie of ["sid=s%3Aabc.forged", "sid=abc", "sid=s%3A", "sid="]) {
      const response = await request(app).get("/").set("Cookie", cookie).expect(200);
      expect(response.body.data).toEqual({});
    }
  });

  it("signed with any of several secrets is read, and the first signs", async () => {
    const kit = makeKit();
    const [old, both] = [
      createSessionApp(kit, { secret: "old" }),
      createSessionApp(kit, { secret: ["new", "old"] }),
    ];
    const [cookie] = cookiesOf(await request(old).post("/set").send({ a: 1 }));
    const read = await request(both).get("/").set("Cookie", cookie!.split(";")[0]!);
    expect(read.body.data).toEqual({ a: 1 });
    // And is sent again, signed with the first, once.
    const [resigned] = cookiesOf(read);
    expect(resigned).not.toBe(cookie);
    expect(resigned!.split(".")[0]).toBe(cookie!.split(".")[0]);
    const again = await request(both).get("/").set("Cookie", resigned!.split(";")[0]!);
    expect([again.body.data, cookiesOf(again)]).toEqual([{ a: 1 }, []]);
    const retired = createSessionApp(kit, { secret: "new" });
    const late = await request(retired).get("/").set("Cookie", cookie!.split(";")[0]!);
    expect(late.body.data).toEqual({});
  });

  it("tells once of an address that forges them, and of one that sends unknown ones", async () => {
    const kit = makeKit();
    const told: KitEvents["suspicious"][] = [];
    kit.on("suspicious", (detail) => void told.push(detail));
    const suspicious = { forgedCookies: 3, unknownSessions: 2 };
    const app = createSessionApp(kit, { secret: "s", suspicious });
    const [cookie] = cookiesOf(await request(app).post("/set").send({ a: 1 }));
    const good = cookie!.split(";")[0]!;
    const forged = good.replace(/\.[^.]*$/, ".forged");
    for (let n = 0; n < 5; n++) await request(app).get("/").set("Cookie", forged);
    await request(app).post("/destroy").set("Cookie", good);
    for (let n = 0; n < 5; n++) await request(app).get("/").set("Cookie", good);
    await request(app).get("/").set("Cookie", "sid=x");
    expect(told).toEqual([
      { reason: "forged-cookies", address: "127.0.0.1", count: 3 },
      { reason: "unknown-sessions", address: "127.0.0.1", count: 2 },
    ]);
  });

  it.each<[SessionOptions, string]>([
    [{ name: "__Host-x" }, "INVALID_COOKIE"],
    [{ name: "__Host-x", cookie: { secure: true, path: "/api" } }, "INVALID_COOKIE"],
    [{ name: "__Host-x", cookie: { secure: true, domain: "example.com" } }, "INVALID_COOKIE"],
    [{ name: "__Host-x", cookie: { secure: "auto" } }, "INVALID_COOKIE"],
    [{ name: "__Secure-x" }, "INVALID_COOKIE"],
    [{ cookie: { sameSite: "none", secure: false } }, "INVALID_COOKIE"],
    [{ name: "a b" }, "INVALID_OPTION"],
    [{ cookie: "x" as never }, "INVALID_OPTION"],
    [{ cookie: { maxAge: "1h" as never } }, "INVALID_OPTION"],
    [{ cookie: { maxAge: -1 } }, "INVALID_OPTION"],
    [{ idle: "2d", absolute: "1d" }, "INVALID_OPTION"],
    [{ idle: "soon" }, "INVALID_DURATION"],
    [{ suspicious: { forgedCookies: 0 } }, "INVALID_OPTION"],
    [{ concurrent: 0 }, "INVALID_OPTION"],
    [{ concurrent: 1.5 }, "INVALID_OPTION"],
    [{ whenFull: "drop" as never }, "INVALID_OPTION"],
    [{ adopt: { prefix: "" } }, "INVALID_OPTION"],
    [{ adopt: { key: "x" } as never }, "UNKNOWN_OPTION"],
    [{ genid: "x" as never }, "INVALID_OPTION"],
    [{ resave: "yes" as never }, "INVALID_OPTION"],
    [{ unset: "drop" as never }, "INVALID_OPTION"],
    [{ secret: [] }, "INVALID_OPTION"],
    [{ secret: "" }, "INVALID_OPTION"],
    [{ store: {} } as never, "INVALID_OPTION"],
  ])("%j is refused at construction with %s", (options, code) => {
    expect(() => makeKit().session(options)).toThrow(expect.objectContaining({ code }));
  });

  it("of a function is checked when the function answers", async () => {
    const app = appWith({ name: "__Host-x", cookie: (() => ({ secure: false })) as never });
    expect((await request(app).get("/")).body.code).toBe("INVALID_COOKIE");
    const good = appWith({ cookie: (() => ({ maxAge: 60_000 })) as never });
    const browser = request.agent(good);
    expect(cookiesOf(await browser.post("/login").send({ user: "7" }))[0]).toMatch(/Expires=/);
    expect(cookiesOf(await browser.post("/destroy"))[0]).toMatch(/^sid=;.*1970/);
  });
});

describe("a Secure cookie that cannot be sent", () => {
  const start = async (options: SessionOptions = {}) => {
    const redis = await startRedis();
    const kit = makeKit({ redis: redis.url, secret: "s" }, PRODUCTION);
    return { redis, app: createSessionApp(kit, options), kit };
  };

  it("is an error of login(), before anything is written", async () => {
    const { redis, app } = await start();
    const answer = await request(app).post("/login").send({ user: "7" });
    expect(answer.body).toMatchObject({ code: "COOKIE_NOT_SENDABLE" });
    expect(answer.body.fix).toContain("https");
    expect(await redis.client.keys("*")).toEqual([]);
  });

  it("names the proxy that is not trusted, where one says https", async () => {
    const { app } = await start();
    app.set("trust proxy", false);
    const answer = await request(app).post("/login").set(HTTPS).send({ user: "7" });
    expect(answer.body.fix).toContain("trust proxy");
    await request(app).post("/login").send({ user: "7" }).expect(500);
    app.set("trust proxy", 1);
    await request(app).post("/login").set(HTTPS).send({ user: "7" }).expect(200);
  });

  it.each([
    [true, 200],
    [false, 500],
  ])("follows express-session's option proxy: %p", async (proxy, status) => {
    const { app } = await start({ proxy });
    app.set("trust proxy", false);
    await request(app).post("/login").set(HTTPS).send({ user: "7" }).expect(status);
  });

  it("works under node:http, with the kit's trustProxy", async () => {
    const redis = await startRedis();
    const options = { redis: redis.url, secret: "s", trustProxy: "loopback" };
    const kit = makeKit(options, PRODUCTION);
    const session = kit.session();
    const url = await serve((req, res) => {
      session(req, res, () => {
        kit.login(req, "7").then(
          () => res.end("in"),
          (error: { code: string }) => res.end(error.code),
        );
      });
    });
    expect(await (await fetch(url)).text()).toBe("COOKIE_NOT_SENDABLE");
    const secure = await fetch(url, { headers: HTTPS });
    expect(await secure.text()).toBe("in");
    expect(secure.headers.get("set-cookie")).toMatch(/^__Host-sid=.*Secure/);
  });
});
