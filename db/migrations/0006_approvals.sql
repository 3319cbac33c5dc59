CREATE TABLE "approval_decisions" (
	"approval_id" text NOT NULL,
	"user_id" text NOT NULL,
	"decision" text NOT NULL,
	"reason" text,
	"proof" jsonb,
	"auth_time" timestamp with time zone NOT NULL,
	"amr" text[] NOT NULL,
	"decided_at" timestamp with time zone NOT NULL,
	CONSTRAINT "approval_decisions_approval_id_user_id_pk" PRIMARY KEY("approval_id","user_id")
);
--> statement-breakpoint
CREATE TABLE "approval_messages" (
	"id" uuid PRIMARY KEY NOT NULL,
	"approval_id" text NOT NULL,
	"round" integer NOT NULL,
	"author" text NOT NULL,
	"text" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "device_codes" (
	"code_hash" text PRIMARY KEY NOT NULL,
	"user_code_hash" text NOT NULL,
	"approval_id" text NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	CONSTRAINT "device_codes_userCodeHash_unique" UNIQUE("user_code_hash")
);
--> statement-breakpoint
CREATE TABLE "standing_approvals" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"client_id" text NOT NULL,
	"subject" text NOT NULL,
	"resource" text NOT NULL,
	"scope" text[] NOT NULL,
	"action" text,
	"authorization_details" jsonb,
	"approval_id" text NOT NULL,
	"max_uses" integer NOT NULL,
	"uses" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"last_used_at" timestamp with time zone,
	"revoked_at" timestamp with time zone
);
--> statement-breakpoint
ALTER TABLE "approvals" ALTER COLUMN "request" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "approvals" ALTER COLUMN "browser_hash" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "act" jsonb;--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "digest" text;--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "risk" text DEFAULT 'medium' NOT NULL;--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "subject_user_id" text;--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "owner_id" text;--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "approver_ids" text[] DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "approver_groups" text[] DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "quorum" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "four_eyes" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "binding_code" text;--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "match_number" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "wrong_numbers" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "sealed_request" text;--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "sealed_ping" text;--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "interval" integer DEFAULT 5 NOT NULL;--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "polled_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "decided_by" text;--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "reason" text;--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "changed_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "auth_time" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "amr" text[];--> statement-breakpoint
ALTER TABLE "clients" ADD COLUMN "backchannel_token_delivery_mode" text;--> statement-breakpoint
ALTER TABLE "clients" ADD COLUMN "backchannel_client_notification_endpoint" text;--> statement-breakpoint
ALTER TABLE "access_tokens" ADD COLUMN "approved_scope" text[];--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "groups" text[] DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE "approval_decisions" ADD CONSTRAINT "approval_decisions_approval_id_approvals_id_fk" FOREIGN KEY ("approval_id") REFERENCES "public"."approvals"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "approval_messages" ADD CONSTRAINT "approval_messages_approval_id_approvals_id_fk" FOREIGN KEY ("approval_id") REFERENCES "public"."approvals"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "device_codes" ADD CONSTRAINT "device_codes_approval_id_approvals_id_fk" FOREIGN KEY ("approval_id") REFERENCES "public"."approvals"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "approval_messages_approval_id_index" ON "approval_messages" USING btree ("approval_id");--> statement-breakpoint
CREATE INDEX "device_codes_expires_at_index" ON "device_codes" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "standing_approvals_client_id_index" ON "standing_approvals" USING btree ("client_id");--> statement-breakpoint
CREATE INDEX "standing_approvals_user_id_index" ON "standing_approvals" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "approvals_changed_at_index" ON "approvals" USING btree ("changed_at");--> statement-breakpoint
CREATE INDEX "approvals_pending_index" ON "approvals" USING btree ("client_id") WHERE "approvals"."status" = 'pending';--> statement-breakpoint
CREATE INDEX "approvals_subject_index" ON "approvals" USING btree ("subject_user_id") WHERE "approvals"."status" = 'pending';