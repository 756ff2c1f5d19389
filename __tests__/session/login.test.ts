import { expect, it } from "@jest/globals";
import type { KitEvents } from "express-redis-kit";
import request from "supertest";
import { describeBackends } from "../support/backends.ts";
import { makeKit } from "../support/kit.ts";
import { until } from "../support/redis-server.ts";
import { createSessionApp } from "../support/session-actions.ts";

describeBackends("login() and logout()", (backend) => {
  const start = () => {
    const kit = makeKit(backend.options());
    const app = createSessionApp(kit);
    return { kit, app, agent: () => request.agent(app) };
  };

  it("changes the id that came in by cookie, and the old one is of no use", async () => {
    const { app, agent } = start();
    const browser = agent();
    const before = await browser.post("/set").send({ cart: "full" });
    const [cookie] = before.headers["set-cookie"] as unknown as string[];
    const after = await browser.post("/login").send({ user: "7" });
    expect(after.body.id).not.toBe(before.body.id);
    const stolen = await request(app).get("/").set("Cookie", cookie!.split(";")[0]!);
    expect(stolen.body.data).toEqual({});
  });

  it("keeps only the data that it is told to, and never a user", async () => {
    const { agent } = start();
    const browser = agent();
    await browser.post("/set").send({ cart: "full", role: "admin" });
    await browser.post("/login").send({ user: "7", keep: ["cart", "absent", "cookie"] });
    expect((await browser.get("/")).body.data).toEqual({ cart: "full", userId: "7" });
  });

  it("prints ids as 128 random bits in the 8-4-4-4-12 form", async () => {
    const { agent } = start();
    const ids = await Promise.all(
      Array.from(
        { length: 200 },
        async () => (await agent().post("/set").send({ a: 1 })).body.id as string,
      ),
    );
    expect(new Set(ids).size).toBe(200);
    for (const id of ids) expect(id).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
    // A UUID keeps its version here; random bits do not.
    expect(new Set(ids.map((id) => id[14])).size).toBeGreaterThan(8);
  });

  it("tells the event of a login how many sessions it ended, and whose", async () => {
    const { kit, agent } = start();
    const logins: KitEvents["login"][] = [];
    const ended: KitEvents["session-ended"][] = [];
    kit.on("login", (event) => void logins.push(event));
    kit.on("session-ended", (event) => void ended.push(event));
    await agent().post("/login").send({ user: "7" });
    await agent().post("/login").send({ user: "7" });
    await until(() => logins.length === 2, "both are told");
    expect(logins).toEqual([
      { userId: "7", ended: 0 },
      { userId: "7", ended: 1 },
    ]);
    expect(ended).toEqual([{ userId: "7", reason: "signed-in-elsewhere" }]);
  });

  it("lets one browser log in again without telling it that it was ended", async () => {
    const { agent } = start();
    const browser = agent();
    await browser.post("/login").send({ user: "7" });
    await browser.post("/login").send({ user: "7" });
    expect((await browser.get("/")).body).toMatchObject({ data: { userId: "7" }, ended: null });
  });

  it("switches users: the first one's Set is left, the second one's claimed", async () => {
    const { agent } = start();
    const [browser, other] = [agent(), agent()];
    await browser.post("/login").send({ user: "7" });
    await browser.post("/login").send({ user: "8" });
    expect((await browser.get("/")).body.data.userId).toBe("8");
    await other.post("/login").send({ user: "7" });
    expect((await browser.get("/")).body.data.userId).toBe("8");
  });

  it("I4: ending or leaving A's session never hurts B", async () => {
    const { agent } = start();
    const [a, b] = [agent(), agent()];
    await a.post("/login").send({ user: "a" });
    await b.post("/login").send({ user: "b" });
    await agent().post("/login").send({ user: "a" });
    await a.post("/logout");
    expect((await b.get("/")).body.data.userId).toBe("b");
  });

  it("I4: the logout of a session that was ended does not end the one that ended it", async () => {
    const { agent } = start();
    const [first, second] = [agent(), agent()];
    await first.post("/login").send({ user: "7" });
    await second.post("/login").send({ user: "7" });
    await first.post("/logout");
    await first.post("/destroy");
    expect((await second.get("/")).body.data.userId).toBe("7");
  });

  it("logs out: the request goes on as anonymous, the cookie is cleared, nothing is left", async () => {
    const { app, agent } = start();
    const browser = agent();
    const login = await browser.post("/login").send({ user: "7" });
    const [cookie] = login.headers["set-cookie"] as unknown as string[];
    const logout = await browser.post("/logout").expect(200);
    expect(logout.body).toEqual({ user: null });
    expect(logout.headers["set-cookie"]).toEqual([
      expect.stringMatching(/^sid=; Path=\/; Expires=Thu, 01 Jan 1970/),
    ]);
    const replay = await request(app).get("/").set("Cookie", cookie!.split(";")[0]!);
    expect(replay.body).toMatchObject({ data: {}, ended: null });
    if (backend.name === "redis") expect(await backend.server().client.keys("*")).toEqual([]);
  });

  it("logs out whoever is not signed in without a word, a key or a cookie", async () => {
    const { app } = start();
    const logout = await request(app).post("/logout").expect(200);
    expect(logout.headers["set-cookie"]).toBeUndefined();
  });

  it.each(["/destroy", "/logout"])(
    "POST %s takes the session out of the user's Set",
    async (path) => {
      const { agent } = start();
      const browser = agent();
      await browser.post("/login").send({ user: "7" });
      await browser.post(path).expect(200);
      expect((await browser.get("/")).body).toMatchObject({ data: {}, ended: null });
    },
  );

  it.each([
    [""],
    ["  "],
    ["undefined"],
    ["null"],
    ["[object Object]"],
    [null],
    [{}],
    [[]],
    [["7"]],
    [true],
  ])("refuses %j as a user, and makes no key for it", async (user) => {
    const { agent } = start();
    const answer = await agent().post("/login").send({ user });
    expect(answer.body.code).toBe("INVALID_USER_ID");
    if (backend.name === "redis") expect(await backend.server().client.keys("*")).toEqual([]);
  });

  it("takes numbers, bigints and objects with a text of their own", async () => {
    const kit = makeKit(backend.options());
    const ids: unknown[] = [5, 5n, { toString: () => "5" }];
    const app = createSessionApp(kit);
    app.get("/as/:index", async (req, res) => {
      await kit.login(req, ids[Number(req.params.index)] as number);
      res.json(req.session.userId);
    });
    for (const index of ids.keys()) {
      expect((await request(app).get(`/as/${index}`)).body).toBe("5");
    }
  });

  it("refuses a login that another site's page sent, unless that is allowed", async () => {
    const { agent } = start();
    const crossSite = (options: object) =>
      agent()
        .post("/login")
        .set("Sec-Fetch-Site", "cross-site")
        .send({ user: "7", ...options });
    expect((await crossSite({}).expect(403)).body.code).toBe("CROSS_SITE_LOGIN");
    await crossSite({ allowCrossSite: true }).expect(200);
    await agent()
      .post("/login")
      .set("Sec-Fetch-Site", "same-origin")
      .send({ user: "7" })
      .expect(200);
  });

  it("refuses an unknown option", async () => {
    const { agent } = start();
    const answer = await agent()
      .post("/login")
      .send({ user: "7", kep: ["cart"] });
    expect(answer.body.code).toBe("UNKNOWN_OPTION");
  });
});
