-- Part 1, once, in a database of its own.
CREATE DATABASE ERP_SYNC;
GO
USE ERP_SYNC;
CREATE TABLE dbo.changes (
    number bigint IDENTITY PRIMARY KEY,
    company nvarchar(128) NOT NULL,
    object_type nvarchar(30) NOT NULL,
    transaction_type nchar(1) NOT NULL,
    key_columns nvarchar(255) NOT NULL,
    key_values nvarchar(255) NOT NULL,
    noted_at nvarchar(27) NOT NULL -- UTC, ISO 8601
);
GO

-- Part 2, in the company's SBO_SP_PostTransactionNotice, whose parameters these are.
IF @object_type IN (N'2', N'4', N'6', N'7', N'10', N'1250000025') AND @transaction_type IN (N'A', N'U', N'D')
    INSERT INTO ERP_SYNC.dbo.changes (company, object_type, transaction_type, key_columns, key_values, noted_at)
    VALUES (DB_NAME(), @object_type, @transaction_type, @list_of_key_cols_tab_del, @list_of_cols_val_tab_del,
            CONVERT(nvarchar(23), SYSUTCDATETIME(), 126) + N'Z');
