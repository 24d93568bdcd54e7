-- Part 1, once, in a schema of its own.
CREATE SCHEMA "ERP_SYNC";
CREATE COLUMN TABLE "ERP_SYNC"."changes" (
    "number" BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "company" NVARCHAR(128) NOT NULL,
    "object_type" NVARCHAR(30) NOT NULL,
    "transaction_type" NVARCHAR(1) NOT NULL,
    "key_columns" NVARCHAR(255) NOT NULL,
    "key_values" NVARCHAR(255) NOT NULL,
    "noted_at" NVARCHAR(27) NOT NULL -- UTC, ISO 8601
);

-- Part 2, in the company's SBO_SP_PostTransactionNotice, whose parameters these are.
IF :object_type IN ('2', '4', '6', '7', '10', '1250000025') AND :transaction_type IN ('A', 'U', 'D') THEN
    INSERT INTO "ERP_SYNC"."changes" ("company", "object_type", "transaction_type", "key_columns", "key_values", "noted_at")
    VALUES (CURRENT_SCHEMA, :object_type, :transaction_type, :list_of_key_cols_tab_del, :list_of_cols_val_tab_del,
            TO_NVARCHAR(CURRENT_UTCTIMESTAMP, 'YYYY-MM-DD"T"HH24:MI:SS.FF3') || 'Z');
END IF;
