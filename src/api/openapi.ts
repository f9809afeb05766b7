/** OpenAPI 3.1 of the API, made of the same routes and schemas that serve it. */

import { z } from "zod";
import { EVENTS, EVENTS_PATH, EVENTS_PERMISSION } from "./events.ts";
import * as history from "./history-schema.ts";
import { METRICS_PATH, METRICS_PERMISSION } from "./metrics.ts";
import { operation, operationSummary, operationsPage, progress } from "./operation-schema.ts";
import { PROBLEM_TYPE, problem } from "./problem.ts";
import { rehearsalDocument } from "./rehearsal-schema.ts";
import type { Permission, Route } from "./route.ts";
import { ROUTES } from "./routes.ts";
import { statusDocument, summary, tenantStatus, tenantsChanged, tenantsPage } from "./status-schema.ts";
import * as verb from "./verb-schema.ts";

const NAMED: Readonly<Record<string, z.ZodType>> = {
  StatusDocument: statusDocument,
  Summary: summary,
  TenantStatus: tenantStatus,
  TenantsPage: tenantsPage,
  TenantsChanged: tenantsChanged,
  TenantLife: history.tenantLife,
  JournalEntry: history.journalEntry,
  JournalPage: history.journalPage,
  Difference: history.knownDifference,
  DifferencesPage: history.differencesPage,
  AuditEntry: history.auditEntry,
  AuditPage: history.auditPage,
  Readiness: history.readiness,
  Whoami: history.whoami,
  CheckDocument: verb.checkDocument,
  DoctorDocument: verb.doctorDocument,
  VerifyDocument: verb.verifyDocument,
  SwitchDocument: verb.switchDocument,
  CutoverDocument: verb.cutoverDocument,
  ContractDocument: verb.contractDocument,
  ControlDocument: verb.controlDocument,
  RehearsalDocument: rehearsalDocument,
  Operation: operation,
  OperationSummary: operationSummary,
  OperationsPage: operationsPage,
  Progress: progress,
  Problem: problem,
};

type Json = Record<string, unknown>;
type Names = z.core.$ZodRegistry<{ id: string }>;

export function openApiDocument(): Json {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(NAMED)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, { io: "input", uri: refOf });
  const paths: Record<string, Json> = {};
  for (const route of ROUTES)
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route, registry) };
  paths[EVENTS_PATH] = { get: eventsOperation(registry) };
  paths[METRICS_PATH] = { get: metricsOperation() };
  return {
    openapi: "3.1.0",
    info: {
      title: "Rehouse",
      version: "1",
      description: "One migration of `rehouse serve`. docs/api.md has the examples.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, bare(schema)])),
      securitySchemes: { token: { type: "http", scheme: "bearer", description: "Of `rehouse serve token create`." } },
    },
  };
}

function operationOf(route: Route, registry: Names): Json {
  const { params, query, body } = route.takes.shape;
  const parameters = [...parametersOf(params, "path"), ...parametersOf(query, "query")];
  return {
    ...aboutOf(route),
    operationId: idOf(route),
    summary: route.summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.method === "GET" ? {} : { requestBody: { required: true, content: jsonContent(schemaOf(body)) } }),
    responses: {
      [route.status]: {
        description: "As asked for.",
        content: jsonContent(typeOf(route.gives, registry)),
      },
      ...(route.path === "/readyz"
        ? { 503: { description: "Not ready.", content: jsonContent({ $ref: refOf("Readiness") }) } }
        : {}),
      default: problemResponse(),
    },
  };
}

function eventsOperation(registry: Names): Json {
  return {
    ...aboutOf(EVENTS_PERMISSION),
    summary: "Server-Sent Events: what changes, for as long as somebody listens",
    operationId: "getEvents",
    "x-events": Object.fromEntries(
      Object.entries(EVENTS).map(([name, { when, data }]) => [
        name,
        { description: `Sent ${when}.`, schema: typeOf(data, registry) },
      ]),
    ),
    parameters: [
      {
        ...{ name: "Last-Event-ID", in: "header", schema: { type: "string" } },
        description: "The last event that was seen: those after it come first.",
      },
    ],
    responses: {
      200: { description: "The stream.", content: { "text/event-stream": { schema: { type: "string" } } } },
      default: problemResponse(),
    },
  };
}

function metricsOperation(): Json {
  return {
    ...aboutOf(METRICS_PERMISSION),
    summary: "Metrics of the migration and of this process, for Prometheus; docs/metrics.md has the list",
    operationId: "getMetrics",
    responses: {
      200: { description: "Prometheus' text format.", content: { "text/plain": { schema: { type: "string" } } } },
      default: problemResponse(),
    },
  };
}

/** `getTenantsTenant`, `postCutover`. */
function idOf({ method, path }: Route): string {
  const words = path.replace("/api/v1", "").match(/\w+/g) ?? [];
  return method.toLowerCase() + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}

function aboutOf({ role, tokenless }: Permission): Json {
  if (tokenless === "always") return { security: [] };
  const token = { token: [] };
  return { security: tokenless === "never" ? [token] : [token, {}], "x-role": role };
}

function parametersOf(schema: z.ZodObject, place: "path" | "query"): Json[] {
  return Object.entries(schema.shape).map(([name, field]) => {
    const { description, ...type } = schemaOf(field);
    return {
      ...{ name, in: place, required: place === "path", schema: type },
      ...(description === undefined ? {} : { description }),
    };
  });
}

function typeOf(schema: z.ZodType, names: Names): Json {
  const id = names.get(schema)?.id;
  return id === undefined ? schemaOf(schema) : { $ref: refOf(id) };
}

function schemaOf(schema: z.core.$ZodType): Json {
  return bare(z.toJSONSchema(schema, { io: "input" }));
}

/** The whole document is of one dialect, and a component is known by its place. */
function bare({ $schema: _dialect, $id: _id, ...schema }: Json): Json {
  return schema;
}

function jsonContent(schema: Json): Json {
  return { "application/json": { schema } };
}

function problemResponse(): Json {
  const type = PROBLEM_TYPE.split(";")[0] ?? "";
  return {
    description: "Refused or failed: code, what, where, fix.",
    content: { [type]: { schema: { $ref: refOf("Problem") } } },
  };
}

function refOf(id: string): string {
  return `#/components/schemas/${id}`;
}
