//! `TwitterAPI`: posts, comments and followers.

use std::sync::Arc;

use smallvec::smallvec;

use super::error::{Exception, Fallible};
use super::object::{Dict, Object, dict};
use super::operators::{
    add_in_place, append, as_dict, contains, field, item, iterate, len, lower, set_item, to_int,
};
use super::signature::{Default::*, Method, m};
use super::{Attributes, Scenario, failure, or_default};

/// Its public methods.
pub(super) const METHODS: &[Method] = &[
    m!(authenticate_twitter(username, password)),
    m!(posting_get_login_status()),
    m!(post_tweet(content, tags = List, mentions = List)),
    m!(retweet(tweet_id)),
    m!(comment(tweet_id, comment_content)),
    m!(mention(tweet_id, mentioned_usernames)),
    m!(follow_user(username_to_follow)),
    m!(list_all_following()),
    m!(unfollow_user(username_to_unfollow)),
    m!(get_tweet(tweet_id)),
    m!(get_user_tweets(username)),
    m!(search_tweets(keyword)),
    m!(get_tweet_comments(tweet_id)),
    m!(get_user_stats(username)),
];

/// The state.
#[derive(Clone, Debug)]
pub struct Posts {
    username: Object,
    password: Object,
    authenticated: Object,
    tweets: Object,
    comments: Object,
    retweets: Object,
    following_list: Object,
    tweet_counter: Object,
    /// The list that every tweet posted without mentions shares: who is mentioned in one of them is in all.
    default_mentions: Object,
    /// The tweets that share it.
    sharing: Vec<Object>,
}

impl Posts {
    pub(super) fn load(scenario: &Scenario) -> Fallible<Self> {
        let mut tweets = Dict::default();
        for (key, tweet) in
            as_dict(&or_default(scenario, "tweets", || Dict::default().into()), "items")?.iter()
        {
            tweets.insert(to_int(key)?, tweet.clone());
        }
        Ok(Posts {
            username: or_default(scenario, "username", || "john".into()),
            password: or_default(scenario, "password", || "john123".into()),
            authenticated: or_default(scenario, "authenticated", || false.into()),
            tweets: tweets.into(),
            comments: or_default(scenario, "comments", || Dict::default().into()),
            retweets: or_default(scenario, "retweets", || Dict::default().into()),
            following_list: or_default(scenario, "following_list", || {
                vec!["alice".into(), "bob".into()].into()
            }),
            tweet_counter: or_default(scenario, "tweet_counter", || 0.into()),
            default_mentions: Vec::new().into(),
            sharing: Vec::new(),
        })
    }

    pub(super) fn attributes(&self) -> Attributes<'_> {
        smallvec![
            ("username", &self.username),
            ("password", &self.password),
            ("authenticated", &self.authenticated),
            ("tweets", &self.tweets),
            ("comments", &self.comments),
            ("retweets", &self.retweets),
            ("following_list", &self.following_list),
            ("tweet_counter", &self.tweet_counter),
        ]
    }

    fn all(&self) -> Vec<Object> {
        match &self.tweets {
            Object::Dict(tweets) => tweets.iter().map(|(_, tweet)| tweet.clone()).collect(),
            _ => unreachable!("made a dictionary when loaded"),
        }
    }

    fn set_mentions(&mut self, id: &Object, mentions: Object) -> Fallible<()> {
        if let Object::Dict(tweets) = &mut self.tweets
            && let Some(tweet) = Arc::make_mut(tweets).get_mut(id)
        {
            set_item(tweet, "mentions".into(), mentions)?;
        }
        Ok(())
    }

    /// `left_out`: whether the call gave no mentions.
    pub(super) fn call(&mut self, method: &str, a: &[Object], left_out: bool) -> Fallible<Object> {
        let purpose = match method {
            "post_tweet" => "posting",
            "retweet" => "retweeting",
            "comment" => "commenting",
            "follow_user" => "following",
            "list_all_following" => "listing following",
            "unfollow_user" => "unfollowing",
            _ => "",
        };
        if !purpose.is_empty() && !self.authenticated.truthy() {
            return Ok(failure(format!("User not authenticated. Please authenticate before {purpose}.")));
        }
        if matches!(method, "retweet" | "comment" | "mention" | "get_tweet" | "get_tweet_comments")
            && !contains(&self.tweets, &a[0])?
        {
            return Ok(failure(format!("Tweet with ID {} not found.", a[0])));
        }
        match method {
            "authenticate_twitter" => {
                let success = a[0] == self.username && a[1] == self.password;
                if success {
                    self.authenticated = true.into();
                }
                Ok(dict! {"authentication_status": success})
            }
            "posting_get_login_status" => Ok(dict! {"login_status": self.authenticated.truthy()}),
            "post_tweet" => {
                let mentions = if left_out { self.default_mentions.clone() } else { a[2].clone() };
                let tweet = dict! {
                    "id": self.tweet_counter.clone(), "username": self.username.clone(), "content": a[0].clone(),
                    "tags": a[1].clone(), "mentions": mentions,
                };
                set_item(&mut self.tweets, self.tweet_counter.clone(), tweet.clone())?;
                let id = self.tweet_counter.clone();
                self.sharing.retain(|s| *s != id);
                if left_out {
                    self.sharing.push(id);
                }
                self.tweet_counter = add_in_place(&self.tweet_counter, &Object::Int(1))?;
                Ok(tweet)
            }
            "retweet" => {
                if !contains(&self.retweets, &self.username)? {
                    set_item(&mut self.retweets, self.username.clone(), Vec::new().into())?;
                }
                let mut mine = item(&self.retweets, &self.username)?;
                if contains(&mine, &a[0])? {
                    return Ok(dict! {"retweet_status": "Already retweeted"});
                }
                append(&mut mine, a[0].clone())?;
                set_item(&mut self.retweets, self.username.clone(), mine)?;
                Ok(dict! {"retweet_status": "Successfully retweeted"})
            }
            "comment" => {
                if !contains(&self.comments, &a[0])? {
                    set_item(&mut self.comments, a[0].clone(), Vec::new().into())?;
                }
                let mut comments = item(&self.comments, &a[0])?;
                append(&mut comments, dict! {"username": self.username.clone(), "content": a[1].clone()})?;
                set_item(&mut self.comments, a[0].clone(), comments)?;
                Ok(dict! {"comment_status": "Comment added successfully"})
            }
            "mention" => {
                let tweet = item(&self.tweets, &a[0])?;
                let mentions = field(&tweet, "mentions")?;
                if !matches!(mentions, Object::List(_)) {
                    return Err(Exception::attribute(&mentions, "extend"));
                }
                let extended = add_in_place(&mentions, &a[1])?;
                if self.sharing.contains(&a[0]) {
                    self.default_mentions = extended.clone();
                    for id in self.sharing.clone() {
                        self.set_mentions(&id, extended.clone())?;
                    }
                } else {
                    self.set_mentions(&a[0], extended)?;
                }
                Ok(dict! {"mention_status": "Users mentioned successfully"})
            }
            "follow_user" => {
                if contains(&self.following_list, &a[0])? {
                    return Ok(dict! {"follow_status": false});
                }
                append(&mut self.following_list, a[0].clone())?;
                Ok(dict! {"follow_status": true})
            }
            "list_all_following" => Ok(dict! {"following_list": self.following_list.clone()}),
            "unfollow_user" => {
                if !contains(&self.following_list, &a[0])? {
                    return Ok(dict! {"unfollow_status": false});
                }
                super::remove(&mut self.following_list, &a[0])?;
                Ok(dict! {"unfollow_status": true})
            }
            "get_tweet" => item(&self.tweets, &a[0]),
            "get_user_tweets" => {
                let mut found = Vec::new();
                for tweet in self.all() {
                    if field(&tweet, "username")? == a[0] {
                        found.push(tweet);
                    }
                }
                Ok(found.into())
            }
            "search_tweets" => {
                let mut found = Vec::new();
                for tweet in self.all() {
                    let keyword = lower(&a[0])?;
                    let mut hit = contains(&lower(&field(&tweet, "content")?)?, &keyword)?;
                    if !hit {
                        let tags = iterate(&field(&tweet, "tags")?)?;
                        let tags = tags.iter().map(lower).collect::<Fallible<Vec<_>>>()?;
                        hit = tags.contains(&keyword);
                    }
                    if hit {
                        found.push(tweet);
                    }
                }
                Ok(found.into())
            }
            "get_tweet_comments" => {
                Ok(as_dict(&self.comments, "get")?.get(&a[0]).cloned().unwrap_or_else(|| Vec::new().into()))
            }
            "get_user_stats" => {
                let mut tweets = 0;
                for tweet in self.all() {
                    tweets += (field(&tweet, "username")? == a[0]) as i64;
                }
                let following = if a[0] == self.username { len(&self.following_list)? } else { 0 } as i64;
                a[0].check_hashable()?;
                let retweets = match as_dict(&self.retweets, "get")?.get(&a[0]) {
                    Some(mine) => len(mine)?,
                    Option::None => 0,
                } as i64;
                Ok(dict! {"tweet_count": tweets, "following_count": following, "retweet_count": retweets})
            }
            _ => unreachable!("a method of the table"),
        }
    }
}
