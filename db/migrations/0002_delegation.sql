CREATE TABLE "agents" (
	"id" text PRIMARY KEY NOT NULL,
	"uuid" uuid NOT NULL,
	"client_id" text NOT NULL,
	"name" text NOT NULL,
	"description" text,
	"owner" text,
	"owner_id" text,
	"parent_id" text,
	"capabilities" text[] DEFAULT '{}' NOT NULL,
	"allowed_exchange_targets" text[] DEFAULT '{}' NOT NULL,
	"may_act" text[] DEFAULT '{}' NOT NULL,
	"metadata" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"agent_type" text,
	"agent_model" text,
	"agent_version" text,
	"agent_provider" text,
	"attestation_level" text DEFAULT 'none' NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"created_by" text NOT NULL,
	"updated_at" timestamp with time zone NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	CONSTRAINT "agents_uuid_unique" UNIQUE("uuid"),
	CONSTRAINT "agents_clientId_unique" UNIQUE("client_id")
);
--> statement-breakpoint
CREATE TABLE "receipts" (
	"hash" text PRIMARY KEY NOT NULL,
	"jti" uuid NOT NULL,
	"parent_hash" text,
	"jws" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	CONSTRAINT "receipts_jti_unique" UNIQUE("jti")
);
--> statement-breakpoint
CREATE TABLE "trusted_issuers" (
	"id" text PRIMARY KEY NOT NULL,
	"issuer" text NOT NULL,
	"name" text NOT NULL,
	"purposes" text[] NOT NULL,
	"jwks_uri" text,
	"audiences" text[] DEFAULT '{}' NOT NULL,
	"scope" text[],
	"people" jsonb NOT NULL,
	"workloads" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"status" text DEFAULT 'active' NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"created_by" text NOT NULL,
	"updated_at" timestamp with time zone NOT NULL,
	CONSTRAINT "trusted_issuers_issuer_unique" UNIQUE("issuer")
);
--> statement-breakpoint
CREATE TABLE "used_assertions" (
	"key" text PRIMARY KEY NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "clients" ADD COLUMN "status_by" text;--> statement-breakpoint
ALTER TABLE "clients" ADD COLUMN "frozen_with" text[] DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE "clients" ADD COLUMN "not_before" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "access_tokens" ADD COLUMN "frozen_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "access_tokens" ADD COLUMN "lineage" uuid[] DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE "access_tokens" ADD COLUMN "receipt" text;--> statement-breakpoint
ALTER TABLE "access_tokens" ADD COLUMN "approval_id" text;--> statement-breakpoint
ALTER TABLE "access_tokens" ADD COLUMN "policy_version" text;--> statement-breakpoint
ALTER TABLE "token_families" ADD COLUMN "approval_id" text;--> statement-breakpoint
ALTER TABLE "token_families" ADD COLUMN "frozen_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "agents" ADD CONSTRAINT "agents_client_id_clients_client_id_fk" FOREIGN KEY ("client_id") REFERENCES "public"."clients"("client_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "agents" ADD CONSTRAINT "agents_owner_id_users_id_fk" FOREIGN KEY ("owner_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "agents" ADD CONSTRAINT "agents_parent_id_agents_id_fk" FOREIGN KEY ("parent_id") REFERENCES "public"."agents"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "agents_owner_id_index" ON "agents" USING btree ("owner_id");--> statement-breakpoint
CREATE INDEX "agents_parent_id_index" ON "agents" USING btree ("parent_id");--> statement-breakpoint
CREATE INDEX "receipts_expires_at_index" ON "receipts" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "used_assertions_expires_at_index" ON "used_assertions" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "grants_revoked_index" ON "grants" USING btree ("id") WHERE "grants"."status" = 'revoked';--> statement-breakpoint
CREATE INDEX "access_tokens_client_id_index" ON "access_tokens" USING btree ("client_id","expires_at");--> statement-breakpoint
CREATE INDEX "access_tokens_revoked_index" ON "access_tokens" USING btree ("expires_at") WHERE "access_tokens"."revoked_at" is not null;--> statement-breakpoint
CREATE INDEX "access_tokens_frozen_index" ON "access_tokens" USING btree ("expires_at") WHERE "access_tokens"."frozen_at" is not null;--> statement-breakpoint
CREATE INDEX "access_tokens_family_id_index" ON "access_tokens" USING btree ("family_id") WHERE "access_tokens"."family_id" is not null;--> statement-breakpoint
CREATE INDEX "access_tokens_grant_id_index" ON "access_tokens" USING btree ("grant_id") WHERE "access_tokens"."grant_id" is not null;--> statement-breakpoint
CREATE INDEX "access_tokens_person_index" ON "access_tokens" USING btree ("subject","expires_at") WHERE "access_tokens"."subject" like 'user:%';--> statement-breakpoint
CREATE INDEX "access_tokens_lineage_index" ON "access_tokens" USING gin ("lineage") WHERE cardinality("access_tokens"."lineage") > 0;--> statement-breakpoint
CREATE INDEX "token_families_client_id_index" ON "token_families" USING btree ("client_id");--> statement-breakpoint
CREATE INDEX "token_families_stopped_index" ON "token_families" USING btree ("id") WHERE "token_families"."revoked_at" is not null or "token_families"."frozen_at" is not null;