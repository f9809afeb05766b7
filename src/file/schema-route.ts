// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${VAR} is the syntax of the migration file
import { z } from "zod";

const WEBHOOK_URL = "the http(s) URL that routes are posted to";
const SECRET = "a secret of 16 characters or more";

/** Who hears of a tenant's new home besides the topic and those who listen on the database. */
export const routeSchema = z
  .strictObject(
    {
      webhook: z
        .strictObject(
          {
            url: z
              .string(WEBHOOK_URL)
              .refine((text) => URL.canParse(text) && ["http:", "https:"].includes(new URL(text).protocol), WEBHOOK_URL)
              .meta({
                description: "Each change of a tenant's home is posted there as JSON, in order, until the answer is 2xx.",
                examples: ["https://app.internal/rehouse"],
              }),
            secret: z
              .string(SECRET)
              .min(16, SECRET)
              .meta({
                description: "Signs what is posted (HMAC-SHA256); take it from the environment.",
                examples: ["${WEBHOOK_SECRET}"],
              }),
          },
          "a map with url, secret",
        )
        .optional()
        .meta({ title: "Webhook" }),
    },
    "a map with webhook",
  )
  .nullable()
  .optional()
  .meta({
    title: "Route",
    description: "Who is told when a tenant has a new home.",
    examples: [{ webhook: { url: "https://app.internal/rehouse", secret: "${WEBHOOK_SECRET}" } }],
  });
