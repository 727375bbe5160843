{#-
    The gate: a table reaches the publication only through this materialization (write, audit, publish).

    1. lineage   every path from a confidential source passes through a protected model (_gate_lineage)
    2. contract  the model's columns are the product's dimensions, labels and published measures, no more (_gate_columns)
    3. candidate the table is built in the restricted database, where its contract is enforced
    4. statuses  the protected model has every cell, its values are the cells', no unsafe cell is `safe` (_gate_statuses)
    5. audit     an attacker who knows all that is published recovers no suppressed cell (_gate_audit)
    6. rows      each number is the value of a safe cell under its own key (_gate_rows)

    Only then is the table written to the working copy of the publication and certified in the gate's log; the run
    promotes the copy when everything in it has passed (promote). So `dbt run` is as safe as `dbt build`.
    With `--empty` nothing is checked and nothing promoted.
-#}
{% materialization publication, adapter='duckdb', supported_languages=['sql'] %}
    {%- do sdc._gate_lineage(model) -%}
    {%- do sdc._gate_declaration(model, pre_hooks, post_hooks) -%}
    {%- set protected = sdc._upstream_with_role(model, 'protected')[0] -%}
    {%- set product = sdc._product_of(protected, 'protect') -%}

    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set candidate = api.Relation.create(
        database=protected.database, schema='candidates', identifier=this.identifier, type='table') -%}
    {%- do adapter.drop_relation(candidate) -%}
    {%- call statement('candidate') -%}
        {{ get_create_table_as_sql(False, candidate, compiled_code) }}
    {%- endcall -%}

    {%- if not flags.EMPTY -%}
        {%- set columns = adapter.get_columns_in_relation(candidate) | map(attribute='name') | list -%}
        {%- do sdc._gate_columns(columns, product) -%}
        {%- set pattern = sdc._gate_product(product, protected) -%}
        {%- do sdc._refuse_if(sdc._gate_rows(candidate, columns, product, protected)) -%}
        {%- do sdc._certify(candidate, product, protected, pattern) -%}
    {%- endif -%}
    {%- do adapter.commit() -%}  {#- DuckDB: one transaction writes to one attached database -#}

    {%- do adapter.create_schema(target_relation) -%}
    {%- call statement('main') -%}
        create or replace table {{ target_relation }} as select * from {{ candidate }} order by all
    {%- endcall -%}
    {%- do persist_docs(target_relation, model) -%}
    {%- do adapter.commit() -%}
    {%- do adapter.drop_relation(candidate) -%}
    {%- do adapter.commit() -%}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{#- Stop when a gate query finds problems: the model is named, the first problems are told, nothing was published. -#}
{%- macro _refuse_if(problem_query) -%}
    {%- set found = run_query('select problem from (' ~ problem_query ~ ') order by problem limit 6') -%}
    {%- if found.rows | length > 0 -%}
        {%- do sdc._refuse(found.columns[0].values() | list) -%}
    {%- endif -%}
{%- endmacro -%}


{%- macro _refuse(problems) -%}
    {%- do exceptions.raise_compiler_error(
        'the gate refuses ' ~ model.name ~ '; nothing was published, and the publication stays as it was:\n  - '
        ~ problems[:5] | join('\n  - ') ~ ('\n  - and more' if problems | length > 5 else '')) -%}
{%- endmacro -%}
