/** What limits promise, wherever they are counted. */
import { describe, expect, it } from "@jest/globals";
import express from "express";
import { describeDeployments } from "../support/deployments.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { until } from "../support/redis-server.ts";

describeDeployments("limits", (options) => {
  describe.each(["sliding-window", "token-bucket", "fixed-window"] as const)("%s", (algorithm) => {
    const start = async (more: object) => {
      const kit = makeKit(options());
      const app = express();
      app.use(kit.rateLimit({ algorithm, window: "1h", ...more }));
      app.get("/:status", (req, res) => void res.sendStatus(Number(req.params.status)));
      return { kit, url: `${await serve(app)}/` };
    };

    it("exactly the limit of 40 at once", async () => {
      const { url } = await start({ limit: 11 });
      const replies = await Promise.all(Array.from({ length: 40 }, () => send(`${url}200`)));
      expect(replies.filter(({ status }) => status === 200)).toHaveLength(11);
      expect(replies.filter(({ status }) => status === 429)).toHaveLength(29);
    });

    it("several identities, of which one refuses, give the others back", async () => {
      const { url, kit } = await start({
        limit: 2,
        by: (req: express.Request) => ["all", req.get("X-Id")!],
      });
      const from = async (id: string) =>
        (await send(`${url}200`, { headers: { "X-Id": id } })).status;
      expect([await from("a"), await from("b"), await from("c")]).toEqual([200, 200, 429]);
      await until(async () => (await kit.rateLimit.peek("api", "c")).used === 0, "c is given back");
      expect((await kit.rateLimit.peek("api", "a")).used).toBe(1);
    });

    it("outcomes, given back or counted", async () => {
      const { url, kit } = await start({ limit: 3, skipSuccessfulRequests: true });
      const used = async () => (await kit.rateLimit.peek("api", "127.0.0.1")).used;
      await send(`${url}200`);
      await until(async () => (await used()) === 0, "a success is given back");
      for (let n = 0; n < 3; n++) await send(`${url}401`);
      await until(async () => (await used()) === 3, "failures count");
      expect((await send(`${url}200`)).status).toBe(429);
    });

    it("block, peek and reset", async () => {
      const { url, kit } = await start({ limit: 3 });
      await send(`${url}200`);
      expect((await kit.rateLimit.peek("api", "127.0.0.1")).used).toBe(1);
      await kit.rateLimit.block("api", "127.0.0.1", "1h");
      expect((await send(`${url}200`)).status).toBe(429);
      expect(await kit.rateLimit.reset("api", "127.0.0.1")).toBe(true);
      expect((await send(`${url}200`)).status).toBe(200);
    });
  });

  it("several windows and costs, all or nothing", async () => {
    const kit = makeKit(options());
    const windows = [
      { limit: 3, window: "1h" },
      { limit: 5, window: "1d" },
    ];
    const app = express().use(kit.rateLimit({ windows, cost: (req) => Number(req.get("X-Cost")) }));
    app.use((_req, res) => void res.end("ok"));
    const url = await serve(app);
    const costing = async (cost: number) =>
      (await send(url, { headers: { "X-Cost": `${cost}` } })).status;
    expect([await costing(2), await costing(2), await costing(1)]).toEqual([200, 429, 200]);
    const { windows: states } = await kit.rateLimit.peek("api", "127.0.0.1");
    expect(states.map(({ used }) => used)).toEqual([3, 3]);
  });
});
