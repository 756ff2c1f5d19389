import { describe, expect, it } from "@jest/globals";
import { Overdue } from "../../src/cache/overdue.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { until } from "../support/redis-server.ts";
import { expressApp } from "../support/shells.ts";

describe("a write whose header Node refuses", () => {
  it("is an error, not a lost connection, though it was held until its purge", async () => {
    const kit = makeKit({ redis: false });
    const app = expressApp();
    app.put("/page", kit.cache.purges("page"), (_req, res) => {
      res.statusMessage = "a\nb";
      res.end("written");
    });
    const url = `${await serve(app)}/page`;
    expect((await send(url, { method: "PUT" })).status).toBe(500);
  });
});

describe("overdue purges", () => {
  it("of which one cannot be done do not keep the others", async () => {
    const drops = new Map<string, number>();
    const overdue = new Overdue(async (key) => {
      drops.set(key, (drops.get(key) ?? 0) + 1);
      return key !== "on a node that is gone";
    });
    overdue.add(["on a node that is gone", "elsewhere"]);
    expect(overdue.concerns(["elsewhere"])).toBe(true);
    await until(() => drops.get("on a node that is gone")! > 1, "it was tried again");
    expect([drops.get("elsewhere"), overdue.concerns(["elsewhere"])]).toEqual([1, false]);
    expect(overdue.concerns(["on a node that is gone"])).toBe(true);
  });
});
