import { expect, it } from "@jest/globals";
import express from "express";
import request from "supertest";
import { describeBackends } from "../support/backends.ts";
import { makeKit } from "../support/kit.ts";

describeBackends("the guard", (backend) => {
  it("ends the first session when a second one is signed in", async () => {
    const kit = makeKit(backend.options());
    const app = express();
    app.use(kit.session());
    app.post("/login", async (req, res) => {
      await kit.login(req, "7");
      res.json({ ok: true });
    });
    app.get("/me", (req, res) => {
      res.json({ user: req.session.userId ?? null, ended: req.sessionEnded?.reason ?? null });
    });
    const first = request.agent(app);
    const second = request.agent(app);
    await first.post("/login").expect(200);
    expect((await first.get("/me")).body).toEqual({ user: "7", ended: null });
    await second.post("/login").expect(200);
    expect((await second.get("/me")).body).toEqual({ user: "7", ended: null });
    expect((await first.get("/me")).body).toEqual({ user: null, ended: "signed-in-elsewhere" });
    expect((await first.get("/me")).body).toEqual({ user: null, ended: null });
  });
});
