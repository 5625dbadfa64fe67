"""Fields and lists of nodes that the API knows (facebook-business 26.0.3 and 25.0.1).

One that the pretend world does not model is simply absent from a node, as one without a value is.
"""

from __future__ import annotations

__all__ = ["EDGES", "NODE_TYPES", "REPORT_DEFAULT", "node_fields"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FIELDS = {
    "account": _words(
        """
        account_id account_status ad_account_promotable_objects age agency_client_declaration all_capabilities
        amount_spent attribution_spec balance brand_safety_content_filter_levels business business_city
        business_country_code business_name business_state business_street business_street2 business_zip
        can_create_brand_lift_study capabilities created_time currency custom_audience_info
        default_dsa_beneficiary default_dsa_payor disable_reason end_advertiser end_advertiser_name
        existing_customers expired_funding_source_details extended_credit_invoice_group failed_delivery_checks
        fb_entity funding_source funding_source_details has_migrated_permissions has_page_authorized_adaccount
        id io_number is_attribution_spec_system_default is_ba_skip_delayed_eligible is_direct_deals_enabled
        is_in_3ds_authorization_enabled_market is_notifications_enabled is_personal is_prepay_account
        is_tax_id_required liable_address line_numbers marketing_messages_settings media_agency
        min_campaign_group_spend_cap min_daily_budget name offsite_clo_signal_status offsite_pixels_tos_accepted
        opportunity_score opportunity_score_weight owner owner_business partner rf_spec send_bill_to_address
        show_checkout_experience sold_to_address spend_cap tax_id tax_id_status tax_id_type timezone_id
        timezone_name timezone_offset_hours_utc tos_accepted user_access_expire_time user_tasks
        user_tos_accepted viewable_business
        """
    ),
    "campaign": _words(
        """
        account_id adbatch adlabels advantage_state_info bid_constraints bid_strategy boosted_object_id
        brand_lift_studies budget_rebalance_flag budget_remaining budget_schedule_specs buying_type
        campaign_group_active_time can_create_brand_lift_study can_use_spend_cap configured_status created_time
        daily_budget effective_status execution_options frequency_control_specs
        has_secondary_skadnetwork_reporting id is_adset_budget_sharing_enabled is_budget_schedule_enabled
        is_direct_send_campaign is_message_campaign is_meta_moment_maker_enabled is_pca_unified
        is_reels_trending_ads_enabled is_skadnetwork_attribution issues_info iterative_split_test_configs
        last_budget_toggling_time lifetime_budget name objective pacing_type primary_attribution promoted_object
        recommendations smart_promotion_type source_campaign source_campaign_id source_recommendation_type
        special_ad_categories special_ad_category special_ad_category_country spend_cap start_time status
        stop_time topline_id updated_time
        """
    ),
    "adset": _words(
        """
        account_id ad_set_goal adlabels adset_schedule anchor_event_attribution_window_days asset_feed_id
        attribution_count_type attribution_spec automatic_manual_state bid_adjustments bid_amount
        bid_constraints bid_info bid_strategy billing_event brand_safety_config budget_remaining campaign
        campaign_active_time campaign_attribution campaign_id configured_status created_time
        creative_diversity_label creative_diversity_score creative_sequence creative_sequence_repetition_pattern
        daily_budget daily_min_spend_target daily_spend_cap destination_type dsa_beneficiary dsa_payor
        effective_status end_time existing_customer_budget_percentage frequency_control_specs
        full_funnel_exploration_mode id instagram_user_id is_ba_skip_delayed_eligible is_budget_schedule_enabled
        is_dc_follow_optimized is_dynamic_creative is_incremental_attribution_enabled
        is_organic_ad_joint_optimized is_sequenced_conversion_creation issues_info learning_stage_info
        lifetime_budget lifetime_imps lifetime_min_spend_target lifetime_spend_cap live_video_ad_campaign_config
        low_creative_reach max_budget_spend_percentage meta_moment_maker_spec min_budget_spend_percentage
        multi_event_conversion_attribution_window_seconds multi_optimization_goal_weight name optimization_goal
        optimization_sub_event pacing_type placement_soft_opt_out promoted_object recommendations
        recurring_budget_semantics regional_regulated_categories regional_regulation_identities relative_value
        review_feedback rf_prediction_id source_adset source_adset_id special_ad_categories start_time status
        targeting targeting_optimization_types time_based_ad_rotation_id_blocks time_based_ad_rotation_intervals
        trending_topics_spec updated_time use_new_app_click value_rule_set_id value_rules_applied
        """
    ),
    "ad": _words(
        """
        account_id ad_active_time ad_review_feedback ad_schedule_end_time ad_schedule_start_time adlabels adset
        adset_id adset_spec audience_id bid_amount bid_info bid_type campaign campaign_id configured_status
        conversion_domain conversion_specs created_time creative creative_asset_groups_spec
        creative_audience_pairing_persona creative_automation_spec dataset_split_specs date_format demolink_hash
        display_sequence draft_adgroup_id effective_status engagement_audience execution_options
        failed_delivery_checks filename id include_demolink_hashes issues_info last_updated_by_app_id name
        placement preview_shareable_link priority recommendations source_ad source_ad_id special_ad_categories
        status targeting tracking_and_conversion_with_defaults tracking_specs updated_time
        """
    ),
    "user": _words(
        """
        about age_range birthday client_business_id community cover currency education email
        favorite_athletes favorite_teams first_name gender hometown id inspirational_people install_type
        installed is_guest_user is_work_account languages last_name link local_news_megaphone_dismiss_status
        local_news_subscription_status locale location meeting_for middle_name name name_format
        payment_pricepoints political profile_pic quotes relationship_status religion
        shared_login_upgrade_required_by short_name significant_other sports
        supports_donate_button_in_live_video third_party_id timezone token_for_business updated_time
        verified video_upload_limits website
        """
    ),
    "report": _words(
        """
        account_id action_attribution_windows action_breakdowns action_report_time async_percent_completion
        async_report_url async_status breakdowns cpas_only date_preset date_start date_stop default_summary
        emails error_code error_message error_subcode error_user_msg error_user_title export_columns
        export_format export_name fields filtering friendly_name graph_cache id is_async_export is_bookmarked
        is_running level limit product_id_limit schedule_id sort summary summary_action_breakdowns
        time_completed time_increment time_range time_ranges time_ref use_account_attribution_setting
        use_unified_attribution_setting
        """
    ),
}
"""Kind of node -> the fields that it can have in v26.0."""

_SINCE_V26 = {
    "account": _words("opportunity_score_weight"),
    "campaign": _words(
        """
        bid_constraints frequency_control_specs is_meta_moment_maker_enabled is_pca_unified
        is_reels_trending_ads_enabled
        """
    ),
    "adset": _words(
        """
        ad_set_goal is_dc_follow_optimized is_organic_ad_joint_optimized is_sequenced_conversion_creation
        live_video_ad_campaign_config meta_moment_maker_spec relative_value
        """
    ),
    "ad": _words(
        """
        creative_audience_pairing_persona creative_automation_spec dataset_split_specs
        """
    ),
    "report": _words("cpas_only"),
}
_UP_TO_V25 = {
    "adset": _words(
        """
        budget_schedule_specs budget_source budget_split_set_id campaign_spec daily_imps date_format
        execution_options is_sac_cfca_terms_certified line_number rb_prediction_id time_start time_stop
        topline_id tune_for_category
        """
    ),
}


def node_fields(kind: str, version: str | None) -> frozenset[str]:
    """The fields of a kind of node that a version knows; no version is the oldest one that lives."""
    if version == "v26.0":
        return _FIELDS[kind]
    return (_FIELDS[kind] - _SINCE_V26.get(kind, frozenset())) | _UP_TO_V25.get(kind, frozenset())


EDGES = {
    "user": _words(
        """
        accounts ad_studies adaccounts assigned_ad_accounts assigned_applications assigned_business_asset_groups
        assigned_pages assigned_product_catalogs business_users businesses permissions personal_ad_accounts
        """
    ),
    "account": _words(
        """
        activities ad_studies adcreatives adimages adlabels adrules_library ads adsets adspixels
        advertisable_applications advideos agencies applications assigned_users campaigns
        connected_instagram_accounts customaudiences customaudiencestos customconversions instagram_accounts
        promote_pages saved_audiences subscribed_apps tracking users
        """
    ),
    "campaign": _words("ad_studies adrules_governed ads adsets budget_schedules copies"),
    "adset": _words("activities ad_studies adcreatives adrules_governed ads budget_schedules copies"),
    "ad": _words("adcreatives adrules_governed copies leads previews"),
}
"""Kind of node -> its lists, `insights` apart. One that the pretend world does not model is empty."""

REPORT_DEFAULT = (
    "id",
    "account_id",
    "time_ref",
    "time_completed",
    "async_status",
    "async_percent_completion",
    "date_start",
    "date_stop",
    "error_code",
    "error_subcode",
    "error_message",
    "error_user_title",
    "error_user_msg",
    "is_running",
)
"""What a poll of a report run shows when it names no fields."""

NODE_TYPES = {
    "account": "AdAccount",
    "campaign": "Campaign",
    "adset": "AdSet",
    "ad": "Ad",
    "report": "AdReportRun",
    "user": "User",
}
"""Kind of node -> what errors call it."""
