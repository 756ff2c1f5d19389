/** Making room for properties changes nothing that an application sees of a request and its response. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { describe, expect, it } from "@jest/globals";
import { serve } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { EXPRESSES } from "../support/shells.ts";
import { makeRoomy } from "../../src/roomy.ts";

interface Seen {
  readonly keys: readonly string[];
  readonly descriptors: readonly (PropertyDescriptor | undefined)[];
}

function look(request: IncomingMessage, response: ServerResponse): Seen {
  const names = ["statusMessage", "sendDate"];
  return {
    keys: [...Object.keys(request), ...Object.keys(response)].toSorted(),
    descriptors: [request, response].flatMap((object) =>
      names.map((name) => Object.getOwnPropertyDescriptor(object, name)),
    ),
  };
}

describe.each(EXPRESSES)("$name", ({ express }) => {
  it("has the same properties afterwards, with the same values", async () => {
    const seen: Seen[] = [];
    const app = express();
    app.use((req, res, next) => {
      res.sendDate = false; // Somebody's choice stays.
      seen.push(look(req, res));
      makeRoomy(req, res);
      makeRoomy(req, res);
      seen.push(look(req, res));
      next();
    });
    app.use((_req, res) => void res.end("done"));
    const { headers, body } = await send(await serve(app));
    expect(body.toString()).toBe("done");
    expect(headers["date"]).toBeUndefined();
    expect(seen[1]).toEqual(seen[0]);
  });
});

it("leaves what is not Express's alone", async () => {
  let seen: Seen[] = [];
  const url = await serve((request, response) => {
    const before = Object.getOwnPropertySymbols(request);
    seen = [look(request, response)];
    makeRoomy(request, response);
    seen.push(look(request, response));
    response.end(String(Object.getOwnPropertySymbols(request).length - before.length));
  });
  expect((await send(url)).body.toString()).toBe("0");
  expect(seen[1]).toEqual(seen[0]);
});
