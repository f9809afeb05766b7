/** A route: who may ask, what it takes, what it gives. The server, the checks of a request and the OpenAPI document all come from this. */

import { z } from "zod";
import type { AccessRole } from "../access/index.ts";
import type { Around } from "./around.ts";
import type { Caller } from "./caller.ts";
import { RefusedRequest } from "./problem.ts";

/** Who may ask: holders of a token with this role or a higher one. `tokenless`: who need not have one. */
export type Permission = { readonly role: AccessRole; readonly tokenless: "never" | "on loopback" | "always" };

type Head = Permission & {
  readonly method: "GET" | "POST";
  /** `/api/v1/tenants/{tenant}` */
  readonly path: string;
  readonly summary: string;
};

/** A request as it came: nothing of it has been looked at. */
export type Request = {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly around: Around;
  readonly caller: Caller;
};

/** `json`: the body as it is sent, where it was made before. */
export type Answer<Body> = ({ readonly body: Body } | { readonly json: Buffer }) & {
  readonly status?: number;
  readonly location?: string;
};

type Taken<Shape extends z.ZodObject = z.ZodObject> = z.ZodObject<{ params: Shape; query: Shape; body: Shape }>;

export type Route = Head & {
  readonly takes: Taken;
  readonly gives: z.ZodType;
  /** Of a good answer; another one says so itself. */
  readonly status: number;
  run(request: Request): Promise<Answer<unknown>>;
};

const nothing = z.strictObject({});
const NOTHING = { params: nothing, query: nothing, body: nothing };

/** What is not named has to be empty. */
export function takes<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.object(NOTHING).extend(shape);
}

export function route<Takes extends Taken, Gives extends z.ZodType>(
  spec: Head & {
    readonly takes: Takes;
    readonly gives: Gives;
    readonly status?: number;
    handle(taken: z.output<Takes> & Pick<Request, "around" | "caller">): Promise<Answer<z.output<Gives>>>;
  },
): Route {
  const { handle, status = 200, ...rest } = spec;
  return {
    ...rest,
    status,
    run: async ({ params, query, body, around, caller }) => {
      const { success, data, error } = spec.takes.safeParse({ params, query, body });
      if (!success) throw mistaken(error);
      return handle({ ...data, around, caller });
    },
  };
}

/** All mistakes at once. */
function mistaken({ issues }: z.ZodError): RefusedRequest {
  const found = issues.map(({ path, message }) => ({ path: path.map(String).join("."), what: message }));
  const [first] = found;
  const more = found.length > 1 ? `, and ${found.length - 1} more` : "";
  return new RefusedRequest(
    "REHOUSE_USAGE",
    {
      what: `the request is not one that this route takes: ${first?.path}: ${first?.what}${more}`,
      fix: "GET /api/v1/openapi.json says what it takes",
    },
    { issues: found },
  );
}
