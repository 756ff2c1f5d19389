/** How often a request waits for Redis, one answer after another, and what for. */
import { describe, expect, it } from "@jest/globals";
import request from "supertest";
import { createMemory } from "../../src/connection/memory/memory.ts";
import { serve } from "../support/kit.ts";
import { cookieOf, kitOver, sessionApp } from "../support/session-app.ts";
import { inRounds } from "../support/wrapped.ts";

/** An app far from its Redis. `ask` answers the rounds that its request took until its answer was there. */
async function start() {
  const far = inRounds(createMemory());
  const app = sessionApp(kitOver(far.target));
  const seen: string[] = [];
  app.get("/seen", (_req, res) => {
    seen.push(`handler after ${far.rounds.length}`);
    res.json("ok");
  });
  let answeredAfter = 0;
  const url = await serve((req, res) => {
    res.on("finish", () => (answeredAfter = far.rounds.length));
    app(req, res);
  });
  const ask = async (method: "get" | "post", path: string, cookie = "", body: object = {}) => {
    const before = far.rounds.length;
    const sent = request(url)[method](path).set("Cookie", cookie);
    const response = await far.until(
      (method === "get" ? sent : sent.send(body)).then((answer) => answer),
    );
    return { response, waits: far.rounds.slice(before, answeredAfter) };
  };
  return { ask, seen, far };
}

describe("a request waits", () => {
  it("for nothing, where it is anonymous and leaves nothing", async () => {
    const { ask } = await start();
    expect((await ask("get", "/me")).waits).toEqual([]);
  });

  it("twice for a login: for the new session, and for the claim", async () => {
    const { ask } = await start();
    const { waits, response } = await ask("post", "/login", "", { user: "7" });
    expect(response.status).toBe(200);
    expect(waits).toEqual([["set"], ["claim"]]);
  });

  it("as often where it ends another session, and where a browser signs in again", async () => {
    const { ask } = await start();
    const first = await ask("post", "/login", "", { user: "7" });
    const second = await ask("post", "/login", "", { user: "7" });
    expect(second.waits).toEqual([["set"], ["claim"]]);
    const cookie = cookieOf(second.response);
    expect(cookie).not.toBe(cookieOf(first.response));
    const again = await ask("post", "/login", cookie, { user: "7" });
    expect(again.waits).toHaveLength(3);
    expect(again.waits[0]).toEqual(expect.arrayContaining(["get", "sismember"]));
    expect(again.waits[1]).toEqual(expect.arrayContaining(["set"]));
    expect(again.waits[2]).toEqual(["claim"]);
  });

  it("once for a read, before the handler, and for nothing after it", async () => {
    const { ask, seen, far } = await start();
    const cookie = cookieOf((await ask("post", "/login", "", { user: "7" })).response);
    await ask("get", "/me", cookie);
    const before = far.rounds.length;
    const { waits } = await ask("get", "/seen", cookie);
    expect(waits).toHaveLength(1);
    expect(waits[0]).toEqual(expect.arrayContaining(["get", "sismember"]));
    expect(seen).toEqual([`handler after ${before + 1}`]);
  });

  it("once more for a write", async () => {
    const { ask } = await start();
    const cookie = cookieOf((await ask("post", "/login", "", { user: "7" })).response);
    await ask("get", "/me", cookie);
    const { waits } = await ask("post", "/data", cookie, { cart: 1 });
    expect(waits).toHaveLength(2);
    expect(waits[1]).toEqual(["session-save"]);
  });

  it("once for a logout, beside its read", async () => {
    const { ask } = await start();
    const cookie = cookieOf((await ask("post", "/login", "", { user: "7" })).response);
    await ask("get", "/me", cookie);
    const { waits } = await ask("post", "/logout", cookie);
    expect(waits).toHaveLength(2);
    expect(waits[1]).toEqual(["del", "srem"]);
  });
});
