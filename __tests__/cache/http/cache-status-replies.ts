/** The requests whose replies show what Cache-Status says. */
import type { Fields, Reply, World } from "../../support/http-cache.ts";
import { cc } from "./case.ts";

/** Asks, lets time pass, asks again. */
export const again =
  (value: string, seconds: number, request: Fields = {}, more: Fields = {}) =>
  async (world: World): Promise<Reply> => {
    world.answers(cc(value, more), cc(value, more));
    await world.ask();
    world.pass(seconds);
    return world.ask(request);
  };

/** Asks once. */
export const once =
  (value: string, more: Fields = {}, request: Fields = {}, method = "GET") =>
  async (world: World): Promise<Reply> => {
    world.answers(cc(value, more));
    return world.ask(request, { method });
  };
