CREATE TABLE "pushed_requests" (
	"uri_hash" text PRIMARY KEY NOT NULL,
	"client_id" text NOT NULL,
	"params" jsonb NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"used_at" timestamp with time zone
);
--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "granted_details" jsonb;--> statement-breakpoint
ALTER TABLE "authorization_codes" ADD COLUMN "authorization_details" jsonb;--> statement-breakpoint
ALTER TABLE "authorization_codes" ADD COLUMN "dpop_jkt" text;--> statement-breakpoint
ALTER TABLE "clients" ADD COLUMN "previous_secret_hash" text;--> statement-breakpoint
ALTER TABLE "clients" ADD COLUMN "previous_secret_expires_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "clients" ADD COLUMN "jwks" jsonb;--> statement-breakpoint
ALTER TABLE "clients" ADD COLUMN "jwks_uri" text;--> statement-breakpoint
ALTER TABLE "clients" ADD COLUMN "assertion_alg" text;--> statement-breakpoint
ALTER TABLE "clients" ADD COLUMN "legacy_assertion_audience" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "clients" ADD COLUMN "spiffe_id" text;--> statement-breakpoint
ALTER TABLE "clients" ADD COLUMN "dpop_bound_access_tokens" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "clients" ADD COLUMN "require_pushed_authorization_requests" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "clients" ADD COLUMN "authorization_details_types" text[];--> statement-breakpoint
ALTER TABLE "clients" ADD COLUMN "registration_token_hash" text;--> statement-breakpoint
ALTER TABLE "clients" ADD COLUMN "id_jag_targets" jsonb DEFAULT '[]'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "resources" ADD COLUMN "authorization_details_types" jsonb DEFAULT '[]'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "resources" ADD COLUMN "dpop_bound_access_tokens_required" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "refresh_tokens" ADD COLUMN "authorization_details" jsonb;--> statement-breakpoint
ALTER TABLE "refresh_tokens" ADD COLUMN "jkt" text;--> statement-breakpoint
ALTER TABLE "refresh_tokens" ADD COLUMN "instance_jkt" text;--> statement-breakpoint
CREATE INDEX "pushed_requests_expires_at_index" ON "pushed_requests" USING btree ("expires_at");--> statement-breakpoint
-- Documents that were read before say more than was kept of them: they are fetched anew when their app next asks.
UPDATE "clients" SET "document_etag" = NULL, "document_expires_at" = now() WHERE "kind" = 'document' AND "document_expires_at" > now();
