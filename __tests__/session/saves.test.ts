import { expect, it } from "@jest/globals";
import type { ErrorRequestHandler } from "express";
import type { KitEvents } from "express-redis-kit";
import request from "supertest";
import { createSessionApp } from "../support/session-actions.ts";
import { describeBackends } from "../support/backends.ts";
import { makeKit, serve } from "../support/kit.ts";

/** A gate that two requests pass together. */
function createGate(size: number): () => Promise<void> {
  let waiting: (() => void)[] = [];
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      if (waiting.length < size) return;
      for (const open of waiting) open();
      waiting = [];
    });
}

describeBackends("saving a session", (backend) => {
  const start = () => {
    const kit = makeKit(backend.options());
    const app = createSessionApp(kit);
    const together = createGate(2);
    app.post("/together/:name", async (req, res) => {
      await together(); // Both have loaded the session now, and neither has saved.
      Object.assign(req.session, { [req.params.name]: "written" });
      res.json("ok");
    });
    return { kit, app };
  };

  it("loses no key of two writers that loaded the same session, 200 of 200", async () => {
    const { app } = start();
    const browser = request.agent(await serve(app));
    for (let round = 0; round < 200; round++) {
      await browser.post("/set").send({ a: null, b: null });
      await Promise.all([browser.post("/together/a"), browser.post("/together/b")]);
      const { data } = (await browser.get("/")).body;
      expect(data).toEqual({ a: "written", b: "written" });
    }
  }, 60_000);

  it("merges removals too, and lets the later one win within one key", async () => {
    const { app } = start();
    app.post("/remove", async (req, res) => {
      delete (req.session as unknown as Record<string, unknown>)["a"];
      res.json("ok");
    });
    const browser = request.agent(await serve(app));
    await browser.post("/set").send({ a: 1, b: 1 });
    await browser.post("/remove");
    expect((await browser.get("/")).body.data).toEqual({ b: 1 });
    await browser.post("/set").send({ b: { deep: 2 } });
    expect((await browser.get("/")).body.data).toEqual({ b: { deep: 2 } });
  });

  it("reports by an event what two requests changed within one key, by name only", async () => {
    const { kit, app } = start();
    const conflicts: KitEvents["session-conflict"][] = [];
    kit.on("session-conflict", (detail) => void conflicts.push(detail));
    const loaded = createGate(2);
    app.post("/add/:item", async (req, res) => {
      const { cart } = req.session as unknown as { cart: string[] };
      await loaded();
      cart.push(req.params.item);
      res.json("ok");
    });
    const browser = request.agent(await serve(app));
    await browser.post("/login").send({ user: "7" });
    await browser.post("/set").send({ cart: [] });
    await Promise.all([browser.post("/add/a"), browser.post("/add/b")]);
    expect(conflicts).toEqual([{ userId: "7", keys: ["cart"] }]);
    const { cart } = (await browser.get("/")).body.data as { cart: string[] };
    expect(cart).toHaveLength(1);
    // The same change twice is no conflict.
    const together = [browser.post("/together/a"), browser.post("/together/a")];
    await Promise.all(together);
    expect(conflicts).toHaveLength(1);
  });

  it("never undoes a logout that came during a slow write, 50 of 50", async () => {
    const { kit, app } = start();
    const reports: KitEvents["redis-error"][] = [];
    kit.on("redis-error", (report) => void reports.push(report));
    const [entered, leave] = [createGate(2), createGate(2)];
    app.post("/slow", async (req, res) => {
      await entered();
      await leave();
      Object.assign(req.session, { late: true });
      res.json("ok");
    });
    const url = await serve(app);
    for (let round = 0; round < 50; round++) {
      const browser = request.agent(url);
      await browser.post("/login").send({ user: "7" });
      const slow = browser.post("/slow").then((answer) => answer);
      await entered();
      await browser.post("/logout");
      void leave();
      await slow;
      expect((await browser.get("/")).body.data).toEqual({});
      if (backend.name === "redis") {
        expect(await backend.server().client.keys("session:*")).toEqual([]);
      }
    }
    expect(reports.map(({ error }) => error.code)).toEqual(
      Array.from({ length: 50 }, () => "SESSION_ENDED"),
    );
  }, 60_000);

  it("I3: a slow write does not bring back a session that was ended elsewhere", async () => {
    const { app } = start();
    const [entered, leave] = [createGate(2), createGate(2)];
    app.post("/slow", async (req, res) => {
      await entered();
      await leave();
      Object.assign(req.session, { late: true });
      res.json("ok");
    });
    app.post("/slow-regenerate", async (req, res, next) => {
      await entered();
      await leave();
      req.session.regenerate((error: unknown) => (error ? next(error) : res.json("ok")));
    });
    const url = await serve(app);
    for (const path of ["/slow", "/slow-regenerate"]) {
      const [first, second] = [request.agent(url), request.agent(url)];
      await first.post("/login").send({ user: "7" });
      const slow = first.post(path).then((answer) => answer);
      await entered();
      await second.post("/login").send({ user: "7" });
      void leave();
      await slow;
      expect((await first.get("/")).body.data).toEqual({});
      expect((await second.get("/")).body.data).toEqual({ userId: "7" });
    }
  });

  it("answers 401 to a regenerate of a session that was ended meanwhile", async () => {
    const { app } = start();
    const [entered, leave] = [createGate(2), createGate(2)];
    app.post("/slow-regenerate", async (req, res, next) => {
      await entered();
      await leave();
      req.session.regenerate((error: unknown) => (error ? next(error) : res.json("ok")));
    });
    app.use(((error, _req, res, _next) => {
      res.status(error.status).json(error.code);
    }) as ErrorRequestHandler);
    const url = await serve(app);
    const first = request.agent(url);
    await first.post("/login").send({ user: "7" });
    const slow = first.post("/slow-regenerate").then((answer) => answer);
    await entered();
    await request.agent(url).post("/login").send({ user: "7" });
    void leave();
    expect(await slow).toMatchObject({ status: 401, body: "SESSION_ENDED" });
  });

  it("regenerates: data and user go where the app puts them, the old id is of no use", async () => {
    const { app } = start();
    const url = await serve(app);
    const browser = request.agent(url);
    const login = await browser.post("/login").send({ user: "7" });
    const [cookie] = login.headers["set-cookie"] as unknown as string[];
    const renewed = await browser.post("/regenerate").send({ userId: "7", cart: 1 });
    expect(renewed.body.id).not.toBe(login.body.id);
    expect((await browser.get("/")).body.data).toEqual({ userId: "7", cart: 1 });
    const old = await request(url).get("/").set("Cookie", cookie!.split(";")[0]!);
    expect(old.body.data).toEqual({});
    await browser.post("/regenerate").send({});
    expect((await browser.get("/")).body.data).toEqual({});
  });

  it("writes one session object once at a time, awaited or not", async () => {
    const { app } = start();
    app.post("/twice", (req, res) => {
      Object.assign(req.session, { a: 1 });
      req.session.regenerate(() => {
        Object.assign(req.session, { b: 1 });
        req.session.save();
        Object.assign(req.session, { c: 1 });
        req.session.save();
        res.json("ok");
      });
    });
    const browser = request.agent(await serve(app));
    await browser.post("/set").send({ z: 1 });
    await browser.post("/twice").expect(200);
    expect((await browser.get("/")).body.data).toEqual({ b: 1, c: 1 });
  });

  it("reloads what another request wrote", async () => {
    const { app } = start();
    const [entered, leave] = [createGate(2), createGate(2)];
    app.get("/reload", async (req, res, next) => {
      await entered();
      await leave();
      req.session.reload((error: unknown) => {
        if (error) next(error);
        else res.json((req.session as unknown as { a: number }).a);
      });
    });
    const browser = request.agent(await serve(app));
    await browser.post("/set").send({ a: 1 });
    const slow = browser.get("/reload").then((answer) => answer);
    await entered();
    await browser.post("/set").send({ a: 2 });
    void leave();
    expect((await slow).body).toBe(2);
  });
});
